"""Screens about problems that several places show: ticket, progress sheet, echo, lists (domain.md §5, §11)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from texts.actions import Action, Do
from texts.screen import Button, Key, Rows, Screen, Value, rows, screen

GRADES = ("good", "fair", "poor")
ANSWERS = ("yes", "no")
# So much of the public wall fits one message.
WALL_MOST, WALL_WORDS = 20, 60

# The buttons of a ticket: (event of models/lifecycle.py, action, label), in the order they are shown.
TICKET_BUTTONS: tuple[tuple[str, Action, str], ...] = (
    ("accept", Do.accept, "button.accept"),
    ("contact", Do.contacted, "button.contacted"),
    ("resolve", Do.resolve, "button.resolve"),
    ("assign", Do.dispatch, "button.dispatch"),
    ("escalate", Do.escalate, "button.escalate"),
    ("reject", Do.reject_reasons, "button.reject"),
    ("return", Do.return_to_grid, "button.return"),
)


def end_mark(said: str) -> str:
    """The text without the stop at its end: the sentence around it has its own."""
    return said.strip().rstrip("。.;；")


def ticket(problem_id: str, values: Mapping[str, Value], events: Iterable[str], media: tuple[str, ...] = ()) -> Screen:
    """The ticket as staff see it; `events` are the moves whose buttons stand under it."""
    shown = set(events)
    buttons = [Button(label, action(problem_id)) for event, action, label in TICKET_BUTTONS if event in shown]
    return Screen("ticket.card", dict(values), rows(buttons), media)


def named(shown: Screen, said: str) -> Screen:
    """The problem that a sentence named which is no command: its screen, and what was said."""
    key = "ticket.named" if shown.key == "ticket.card" else "progress.named"
    return replace(shown, key=key, values={"shown": Key(shown.key, shown.values), "said": said})


def reject_reasons(problem_id: str, code: str, reasons: Sequence[str]) -> Screen:
    """The listed reasons for not accepting, one button each."""
    buttons = [Button(f"reject.{reason}", Do.reject(problem_id, reason)) for reason in reasons]
    return Screen("reject.choose", {"code": code}, rows(buttons))


def rating_buttons(problem_id: str, grade: str | None, solved: bool | None) -> Rows:
    """The buttons of the questions that are still open: how satisfied, and whether it is solved."""
    grades = tuple(Button(f"grade.{name}", Do.rate(problem_id, name)) for name in GRADES)
    answers = tuple(Button(f"solved.{name}", Do.solved(problem_id, name)) for name in ANSWERS)
    return tuple(row for row, is_open in ((grades, grade is None), (answers, solved is None)) if is_open)


def echo(problem_id: str, code: str, result: str, grade: str | None = None, solved: bool | None = None) -> Screen:
    """The answer to the reporter with the questions that are still open (domain.md §11 回音)."""
    values: dict[str, Value] = {"code": code, "result": end_mark(result) or Key("problem.done_wordless")}
    if grade is not None:
        values["grade"] = Key(f"grade.{grade}")
    key = {(True, True): "problem.echo", (False, True): "problem.echo_solved", (True, False): "problem.echo_grade"}.get(
        (grade is None, solved is None), "problem.echo_done"
    )
    return Screen(key, values, rating_buttons(problem_id, grade, solved))


@dataclass(frozen=True, slots=True)
class Echo:
    """One answer of the public wall: where, what, the resident's words (None: not for others), what was done."""

    where: str
    category: Key
    text: str | None
    result: Value


def echo_wall(day: date, echoes: Sequence[Echo]) -> Screen:
    """回音壁: the day's answers in one post that fits one message."""
    lines: Key | None = None
    for one in reversed(echoes[:WALL_MOST]):
        said, done = (_shortened(words) for words in (one.text, one.result))
        line = Key("echo_wall.line", {"grid": one.where, "category": one.category, "text": said, "result": done})
        lines = Key("work.stack", {"line": line, "rest": lines})
    more = len(echoes) - WALL_MOST
    return screen(
        "echo_wall.post", date=day, count=len(echoes), lines=lines, more=Key("echo_wall.more", {"count": more}) if more > 0 else None
    )


def _shortened(words: Value) -> Value:
    return words[: WALL_WORDS - 1] + "…" if isinstance(words, str) and len(words) > WALL_WORDS else words


def answered(code: str, result: str, grade: str | None) -> Screen:
    """The answer to the reporter when the questions are asked elsewhere: no buttons."""
    shown = Key(f"grade.{grade}") if grade is not None else None
    return Screen("problem.echo_done", {"code": code, "result": end_mark(result) or Key("problem.done_wordless"), "grade": shown})


def sheet(values: Mapping[str, Value], buttons: Iterable[Button], *, public: bool, more: Rows = ()) -> Screen:
    """The progress of one problem: everything for its reporter, the public half for others."""
    return Screen("progress.public" if public else "progress.sheet", dict(values), (*rows(buttons), *more))


def choice(question: Screen, options: Sequence[tuple[str, str]]) -> Screen:
    """A question whose answers are problems: `options` are (code, action)."""
    buttons = [Button(Key("button.code", {"code": code}), action) for code, action in options]
    return replace(question, buttons=rows(buttons))


def listing(key: str, lines: Sequence[Mapping[str, Value]], options: Sequence[tuple[str, str]], most: int, **values: Value) -> Screen:
    """A numbered list of at most `most` problems (holes line1 …), a button for each."""
    shown: dict[str, Value] = {f"line{n}": None for n in range(1, most + 1)}
    shown |= {f"line{n}": Key("list.line", {"number": n, **line}) for n, line in enumerate(lines, 1)}
    return choice(Screen(key, shown | values), options)
