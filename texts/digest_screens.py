"""The screens of digests, numbers and exports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from texts.actions import Do
from texts.screen import Button, Key, Rows, Screen, Value, rows

FIRST, BUTTONS, MOST = 3, 6, 10
LEDGERS = ("problems", "orders", "meetings", "commitments", "enrolments")
GRID_LEDGERS = ("problems", "orders", "enrolments")


@dataclass(frozen=True, slots=True)
class Case:
    """A problem that a digest names: its id, code, why it is named, what and where."""

    id: str
    code: str
    why: Key
    category: Key
    place: str

    @property
    def words(self) -> dict[str, Value]:
        """For a line or a button."""
        return {"code": self.code, "why": self.why, "category": self.category, "place": self.place}


def with_media(shown: Screen, media_id: str) -> Screen:
    """The screen with a picture or a file."""
    return replace(shown, media=(media_id,))


def shortened(things: Sequence[Value]) -> Value:
    """At most ten of a list, and how many there are beyond."""
    if len(things) <= MOST:
        return tuple(things)
    return Key("digest.and_more", {"shown": tuple(things[:MOST]), "more": len(things) - MOST})


def tasks(to_claim: int, today: int) -> Key | None:
    """Tasks to claim and tasks of today, what there is of both."""
    if not to_claim and not today:
        return None
    key = "digest.tasks" if to_claim and today else "digest.tasks_open" if to_claim else "digest.tasks_today"
    return Key(key, {"open": to_claim, "today": today})


def week(days: tuple[date, date], new: int, done: int, late: int, most: tuple[str, int] | None) -> Key:
    """What a week brought."""
    return Key(
        "digest.week",
        {
            "first": days[0], "last": days[1], "new": new, "done": done,
            "late": Key("digest.week_late", {"count": late}) if late else None,
            "most": Key("digest.week_most", {"category": Key(f"category.{most[0]}"), "count": most[1]}) if most else None,
        },
    )  # fmt: skip


def digest(values: Mapping[str, Value], found: Sequence[Case], week: Key | None) -> Screen:
    """The digest (domain.md §11 简报), one line when there is nothing to do; what to do first stands under it, a button for each case."""
    if not values["busy"] and week is None:
        return Screen("digest.empty", {"work": values["work"] or 0}, _more(len(found), 0))
    first = {f"line{number}": None for number in range(1, FIRST + 1)} | {
        f"line{number}": Key("digest.case", case.words) for number, case in enumerate(found[:FIRST], 1)
    }
    shown = {**values, "week": week, "first": Key("digest.first", first) if found else None}
    return Screen("digest", shown, (*_buttons(found[:BUTTONS]), *_more(len(found), BUTTONS)))


def cases(found: Sequence[Case], offset: int, most: int) -> Screen:
    """A screenful of what waits, from `offset` on."""
    part = found[max(0, offset) : max(0, offset) + most]
    if not part:
        return Screen("digest.no_cases")
    lines = {f"line{number}": None for number in range(1, most + 1)} | {
        f"line{number}": Key("digest.numbered", {"number": offset + number, **case.words}) for number, case in enumerate(part, 1)
    }
    buttons = [Button(Key("button.code", {"code": case.code}), Do.show(case.id)) for case in part]
    return Screen("digest.cases", {**lines, "total": len(found)}, (*rows(buttons), *_more(len(found), offset + most)))


def overdue(found: Sequence[Case], most: int) -> Screen:
    """What is overdue, the first so many with a button each."""
    if not found:
        return Screen("digest.no_overdue")
    lines: dict[str, Value] = {f"line{number}": None for number in range(1, most + 1)}
    lines |= {f"line{number}": Key("digest.numbered", {"number": number, **case.words}) for number, case in enumerate(found[:most], 1)}
    buttons = [Button(Key("button.code", {"code": case.code}), Do.show(case.id)) for case in found[:most]]
    return Screen("digest.overdue", {**lines, "total": len(found)}, rows(buttons))


def _buttons(found: Sequence[Case]) -> Rows:
    return rows([Button(Key("digest.button.case", case.words), Do.show(case.id)) for case in found], 1)


def _more(total: int, shown: int) -> Rows:
    """The button to the rest, when there is one."""
    return ((Button(Key("digest.button.more", {"count": total - shown}), Do.digest_cases(shown)),),) if total > shown else ()


# -- numbers -----------------------------------------------------------------------------------------------------------
def figures(values: Mapping[str, Value], code: str, before: str, grid: str, *, ledgers: bool, whole: bool) -> Screen:
    """The table of numbers; below it the ledgers of the span (where the reader may have them) and the span before."""
    known = (LEDGERS if whole else GRID_LEDGERS) if ledgers else ()
    buttons = [Button(Key("export.button", {"ledger": Key(f"ledger.{kind}")}), Do.export(kind, code)) for kind in known]
    return Screen("figures", values, (*rows(buttons), (Button("figures.button.before", Do.figures(before, grid)),)))


# -- exports -----------------------------------------------------------------------------------------------------------
def which_ledger(code: str, word: Value, kinds: Sequence[str]) -> Screen:
    """Which ledger: a button each."""
    buttons = [Button(Key(f"ledger.{kind}"), Do.export(kind, code)) for kind in kinds]
    return Screen("export.which", {"period": word}, rows(buttons))


def exported(values: Mapping[str, Value], kind: str, code: str, media_id: str, *, unmask: bool) -> Screen:
    """The file, and the button that asks for it with names for whom it may be."""
    buttons: Rows = ((Button("export.button.unmasked", Do.export_unmasked(kind, code)),),) if unmask else ()
    return Screen("export.done", values, buttons, (media_id,))
