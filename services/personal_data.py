"""The copy of everything that is kept about a person, for the person alone (domain.md §9 no. 19).

Every table that refers to a person is named here (a test compares). Not in the copy are Invitation (the hash of a link), Minutes (who
confirmed them), DeletionRequest (the person made it), and StateLog, which says of each thing here when it changed. AuditLog is the section
of looks.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
import xlsxwriter
from sqlmodel import SQLModel, col

from models import (
    ActionItem,
    AgendaItem,
    Announcement,
    Attendance,
    ChatAccount,
    CheckIn,
    Claim,
    Commitment,
    CommitmentVote,
    ConsentRecord,
    DutyShift,
    Enrollment,
    Evaluation,
    ExportFile,
    Meeting,
    Order,
    OrgUnit,
    PartnerUnit,
    PartyMember,
    Person,
    Post,
    PostClaim,
    Problem,
    ProblemMessage,
    ProblemSupporter,
    RoleAssignment,
    ServiceRecord,
    Task,
    TaskOffer,
    Team,
    TeamMember,
)
from services import audit, documents, moves, promises
from services.context import Context
from services.workdays import local
from texts.render import show, text
from texts.screen import Key, Value

MOST_LOOKS = 1000
WIDTHS = (16, 20, 100)
_PROMISED = ("what", "for_whom", "measure", "progress", "reason")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is kept: its section (a word of data.section.*), when it was, and what it says."""

    section: str
    at: datetime | None
    what: Value


async def document(context: Context, person: Person) -> tuple[ExportFile, dict[str, Value]]:
    """The copy as an xlsx kept for seven days, and how much is in it for the text beside it."""
    lines = await everything(context, person)
    language = person.language
    output = io.BytesIO()
    book = xlsxwriter.Workbook(output, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    sheet = book.add_worksheet(text("data.sheet", {}, language))
    head, wrap = book.add_format({"bold": True}), book.add_format({"text_wrap": True, "valign": "top"})
    for column, (name, width) in enumerate(zip(("section", "at", "what"), WIDTHS, strict=True)):
        sheet.set_column(column, column, width, wrap)
        sheet.write_string(0, column, text(f"data.head.{name}", {}, language), head)
    for number, line in enumerate(lines, 1):
        sheet.write_string(number, 0, text(f"data.section.{line.section}", {}, language))
        sheet.write_string(number, 1, f"{local(line.at):%Y-%m-%d %H:%M}" if line.at else "")
        sheet.write_string(number, 2, show(line.what, language))
    sheet.freeze_panes(1, 0)
    book.close()
    name = f"{text('data.file', {}, language)}-{local(context.now):%Y%m%d}.xlsx"
    made = await documents.keep(context, output.getvalue(), name, documents.XLSX, "person_data")
    counts: dict[str, Value] = {
        name: sum(line.section == name for line in lines) or None for name in ("problem", "order", "claim", "message", "role")
    }
    return made, counts


# What is kept about a person besides the person: the table, its section, when it was, whose it is, and the holes of the text
# data.SECTION: each a column, or hole=column, or one of _MADE.
# fmt: off
_TABLE: tuple[tuple[type[SQLModel], str, str, Any, str], ...] = (
    (ChatAccount,      "account",      "",             ChatAccount.person_id,      "platform address=user_address"),
    (ConsentRecord,    "consent",      "given_at",     ConsentRecord.person_id,    "version=notice_version until=withdrawn_at"),
    (RoleAssignment,   "role",         "valid_from",   RoleAssignment.person_id,   "role scope until=valid_to"),
    (PartyMember,      "member",       "",             PartyMember.person_id,      "kind unit_code skills availability exempt_reason"),
    (Enrollment,       "enrollment",   "applied_at",   Enrollment.person_id,       "state grid=grid_code branch reason"),
    (ServiceRecord,    "service",      "",             ServiceRecord.person_id,    "year times hours"),
    (Problem,          "problem",      "submitted_at", Problem.reporter_id,        "code state place text result grade=rating"),
    (ProblemSupporter, "support",      "at",           ProblemSupporter.person_id, ""),
    (Order,            "order",        "submitted_at", Order.resident_id,          "code state place text"),
    (Evaluation,       "rating",       "at",           Evaluation.rater_id,        "grade text"),
    (TaskOffer,        "offer",        "offered_at",   TaskOffer.person_id,        ""),
    (DutyShift,        "duty",         "",             DutyShift.person_id,        "day"),
    (Announcement,     "announcement", "published_at", Announcement.author_id,     "text"),
    (AgendaItem,       "topic",        "at",           AgendaItem.proposer_id,     "text"),
    (ActionItem,       "action",       "due",          ActionItem.owner_id,        "code state text result"),
    (CommitmentVote,   "vote",         "at",           CommitmentVote.rater_id,    "grade text"),
    (PartnerUnit,      "liaison",      "",             PartnerUnit.liaison_id,     "name"),
    (OrgUnit,          "secretary",    "",             OrgUnit.secretary_id,       "name"),
)
# fmt: on
_MADE: dict[str, Callable[[Any], Value]] = {
    "state": lambda row: Key(f"state.{moves.life_of(row).kind}.{row.state}"),
    "role": lambda row: Key(f"role.{row.role}"),
    "scope": lambda row: row.grid_code or row.unit_code,
    "place": lambda row: f"{row.place_name}{row.place_detail}",
    "year": lambda row: str(row.year),
    "items": lambda row: promises.lines(row, private=True),
}


def _holes(row: Any, spec: str) -> dict[str, Value]:
    pairs = (each.partition("=")[::2] for each in spec.split())
    return {hole: _MADE[hole](row) if hole in _MADE else getattr(row, column or hole) for hole, column in pairs}


async def everything(context: Context, person: Person) -> list[Line]:
    """Every line of the copy, section by section. What was reported anonymously is tied to nobody and cannot be in it."""
    me, session = person.id, context.session
    lines = [Line("person", None, Key("data.person", _who(context, person)))]
    for model, section, at, whose, spec in _TABLE:
        found = await session.scalars(sa.select(model).where(col(whose) == me))
        lines += _in_time([Line(section, getattr(row, at) if at else None, Key(f"data.{section}", _holes(row, spec))) for row in found])
    mine = sa.select(col(Problem.id)).where(col(Problem.reporter_id) == me)
    theirs = sa.or_(col(ProblemMessage.author_id) == me, col(ProblemMessage.problem_id).in_(mine))
    said = await session.scalars(sa.select(ProblemMessage).where(theirs))
    lines += _in_time([Line("message", row.at, Key(f"data.message.{row.direction}", {"text": row.body})) for row in said])
    claims = await session.execute(sa.select(Claim, Task).join(Task, col(Task.id) == col(Claim.task_id)).where(col(Claim.person_id) == me))
    lines += _in_time([Line("claim", claim.claimed_at, Key("data.claim", _claim(claim, task))) for claim, task in claims])
    own = sa.select(col(Claim.id)).where(col(Claim.person_id) == me)
    for seen in await session.scalars(sa.select(CheckIn).where(col(CheckIn.claim_id).in_(own)).order_by(col(CheckIn.at))):
        where: dict[str, Value] = {"metres": seen.distance_m, "coords": seen.coords, "verdict": seen.verdict}
        lines.append(Line("check_in", seen.at, Key("data.check_in", where)))
    held = await session.execute(
        sa.select(PostClaim, Post).join(Post, col(Post.id) == col(PostClaim.post_id)).where(col(PostClaim.person_id) == me)
    )
    lines += [Line("post", claim.applied_at, Key("data.post", {"name": one.name, "state": _MADE["state"](claim)})) for claim, one in held]
    teams = await session.execute(
        sa.select(TeamMember, Team).join(Team, col(Team.id) == col(TeamMember.team_id)).where(col(TeamMember.person_id) == me)
    )
    lines += [Line("team", member.joined_at, Key("data.team", {"name": team.name})) for member, team in teams]
    lines += await _meetings(context, me)
    lines += await _promises(context, me)
    looks, _ = await audit.of_person(context, me, MOST_LOOKS)
    lines += [Line("look", row.at, Key("data.look", line)) for row, line in zip(looks, await audit.lines(context, looks), strict=True)]
    return lines


async def _meetings(context: Context, me: str) -> list[Line]:
    """The meetings that the person was invited to, with the answer, the reason of a leave and whether they came."""
    query = sa.select(Attendance, Meeting).join(Meeting, col(Meeting.id) == col(Attendance.meeting_id))
    return [
        Line("meeting", meeting.planned_at, Key("data.meeting", {
            "code": meeting.code or meeting.quarter, "title": meeting.title, "reply": Key(f"data.reply.{one.reply or 'none'}"),
            "reason": one.leave_reason, "attended": one.attended_at,
        }))
        for one, meeting in (await context.session.execute(query.where(col(Attendance.person_id) == me))).all()
    ]  # fmt: skip


async def _promises(context: Context, me: str) -> list[Line]:
    """The person's own commitments, promise by promise."""
    own = sa.or_(sa.and_(col(Commitment.owner_kind) == "member", col(Commitment.owner) == me), col(Commitment.writer_id) == me)
    return [
        Line("commitment", one.published_at or one.submitted_at, Key("data.commitment", {
            "code": one.code, "year": str(one.year), "state": _MADE["state"](one), "report": one.self_report,
            "items": tuple(" ".join(filter(None, (str(item.get(word) or "") for word in _PROMISED))) for item in one.items),
            "reason": one.objective_reason,
        }))
        for one in await context.session.scalars(sa.select(Commitment).where(own))
    ]  # fmt: skip


def _in_time(lines: list[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: line.at.isoformat() if line.at else "")


def _claim(claim: Claim, task: Task) -> dict[str, Value]:
    return {
        "number": task.short_no,
        "title": task.title,
        "state": _MADE["state"](claim),
        "hours": claim.hours,
        "reason": claim.withdraw_reason,
    }


def _who(context: Context, person: Person) -> dict[str, Value]:
    return {
        "name": person.display_name, "phone": person.phone, "building": person.building, "grid": context.ground.grid_name(person.home_grid),
        "code": person.code, "consent": person.consent_at,
    }  # fmt: skip
