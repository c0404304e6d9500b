"""The steps of the two forms of 双报到, and which question comes next: the one place that decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.events import Event, Text
from bot.router import Ask, End, Reply, State, Steps
from services import Context, enrolment_form, members, understanding, unit_form, units
from texts import membership
from texts.utterances import recognise

# What is asked for in free words may sound like a problem and be none; in the first it always may, in the second when nothing is wrong.
FREE_WORDS = frozenset({"enrolment:reason", "decliningenrolment:reason", "unitenrolment:address", "unitenrolment:items"})
OPEN_WORDS = frozenset({"enrolment:unit", "enrolment:home", "enrolment:skills", "unitenrolment:name"})


def ANSWER(event: Text, data: Mapping[str, Any]) -> bool:  # noqa: N802
    """A filter: an answer to the question, and not a sentence that means something by itself, a danger or a problem above all."""
    if not event.text or recognise(event.text) is not None:
        return not event.text
    step = data["step"]
    if step in FREE_WORDS:
        return understanding.understand(event.text).urgent is None
    if step == Enrolment.kind.name and membership.kind_in(membership.plain(event.text)):
        return True
    return not understanding.complains(event.text, plainly=step not in OPEN_WORDS)


def IN_FORM(event: Event, data: Mapping[str, Any]) -> bool:  # noqa: N802
    """A filter: one of the two forms waits for an answer in words, and the event (a photo's caption) reports nothing."""
    caption = getattr(event, "caption", "")
    return data["step"] in _FORM_STEPS and not (caption and understanding.complains(caption))


class Enrolment(Steps):
    """The dialog of a member's enrolment."""

    consent = State()
    name = State()
    phone = State()
    kind = State()
    unit = State()
    home = State()
    skills = State()
    times = State()
    confirm = State()
    reason = State()


class UnitEnrolment(Steps):
    """The dialog of a unit's enrolment."""

    name = State()
    kind = State()
    address = State()
    secretary = State()
    liaison = State()
    phone = State()
    items = State()
    confirm = State()


class DecliningEnrolment(Steps):
    """An application that is declined waits for the reason."""

    reason = State()


FORM = (
    Enrolment.consent, Enrolment.name, Enrolment.phone, Enrolment.kind, Enrolment.unit, Enrolment.home, Enrolment.skills, Enrolment.times,
    Enrolment.confirm,
)  # fmt: skip
UNIT_FORM = (
    UnitEnrolment.name, UnitEnrolment.kind, UnitEnrolment.address, UnitEnrolment.secretary, UnitEnrolment.liaison, UnitEnrolment.phone,
    UnitEnrolment.items, UnitEnrolment.confirm,
)  # fmt: skip
_FORM_STEPS = frozenset(state.name for state in (*FORM, *UNIT_FORM))


async def ask_next(context: Context, *, clear: bool = False, edit: bool = False) -> Reply:
    """Ask for what the member's form still lacks, or show its card; a changed field of a standing enrolment is kept at once."""
    assert context.draft is not None
    if enrolment_form.next_field(context.draft.data) == "save":
        return End(await members.save_edit(context), clear=clear)
    field, shown = await enrolment_form.question(context)
    return Ask(getattr(Enrolment, field), shown, clear=clear, edit=edit)


async def ask_next_of_unit(context: Context, *, clear: bool = False) -> Reply:
    """Ask for what the unit's form still lacks, or show its card."""
    await units.check(context)
    field, shown = await unit_form.question(context)
    return Ask(getattr(UnitEnrolment, field), shown, clear=clear)
