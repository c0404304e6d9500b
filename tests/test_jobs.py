"""The one table of jobs."""

import ast
from pathlib import Path

from apscheduler.triggers.cron import CronTrigger

from scheduler.jobs import JOBS
from services import checkins, claims, due_alarms, enrolments, privacy, recounting

ROOT = Path(__file__).parent.parent
NAMED = {
    "FORGET_CHAT": privacy.FORGET_CHAT,
    "EXPIRE_OFFER": claims.EXPIRE_OFFER,
    "VERIFY_ALONE": checkins.VERIFY_ALONE,
    "REMINDER": enrolments.REMINDER,
}


def test_every_alarm_that_a_service_sets_is_a_job():
    found = set()
    for path in (ROOT / "services").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "set_alarm":
                job = node.args[1]
                if isinstance(job, ast.Constant):
                    found.add(job.value)
                elif (
                    name := job.attr if isinstance(job, ast.Attribute) else job.id
                ) in NAMED:  # other names stand for several jobs, named elsewhere
                    found.add(NAMED[name])
    assert found
    found |= {*recounting.COUNTED, due_alarms.NAG, due_alarms.ESCALATE, due_alarms.ACKNOWLEDGE}
    assert found <= set(JOBS), f"scheduler/jobs.py has no {found - set(JOBS)}"


def test_every_job_is_set_by_a_service_or_has_a_time_table():
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "services").glob("*.py"))
    for job in JOBS.values():
        assert job.crontab or f'"{job.name}"' in sources, job.name


def test_every_time_table_can_be_read():
    for job in JOBS.values():
        if job.crontab:
            CronTrigger.from_crontab(job.crontab)
