"""Screens about meetings, their minutes and decisions, and the every-Thursday talk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime

from texts import pages
from texts.actions import Do
from texts.screen import Button, Key, Rows, Screen, Value, rows
from texts.work_screens import stack

__all__ = ["stack"]

Values = dict[str, Value]
BEFORE = ("SCHEDULED", "TOPICS", "AGENDA", "NOTICED")


def with_media(shown: Screen, media_id: str) -> Screen:
    """The screen with a file."""
    return replace(shown, media=(media_id,))


def topic_lines(topics: Sequence[tuple[int, str, str]]) -> Key | None:
    """The topics under each other, numbered from 1; a proposal with its unit."""
    return stack(
        Key("meeting.topic_line", {"number": number, "text": said, "unit": Key("meeting.topic_unit", {"unit": unit}) if unit else None})
        for number, (_, said, unit) in enumerate(topics, 1)
    )


# -- scheduling -----------------------------------------------------------------------------------------------------------
def day_off(draft: str, day: date, name: str, days: Sequence[date], provisional: Key | None) -> Screen:
    """The day is one off: the nearest workdays as buttons."""
    buttons = [Button(Key("meeting.button.day", {"day": one}), Do.meeting_date(draft, one.isoformat())) for one in days]
    values: Values = {"day": day, "name": Key("meeting.holiday", {"name": name}) if name else None, "provisional": provisional}
    return Screen("meeting.day_off" if days else "meeting.day_off_only", values, rows(buttons))


def question(key: str, draft: str, choices: Sequence[str], values: Values) -> Screen:
    """What a date means for the quarter, before anything is done."""
    buttons = [Button(Key(f"meeting.button.{choice}", values), Do.meeting_how(draft, choice)) for choice in choices]
    return Screen(key, values, rows([*buttons, Button("meeting.button.cancel", Do.cancel())], 1))


def scheduled(meeting: str, values: Values, key: str = "meeting.scheduled") -> Screen:
    """It has a date: what will happen when."""
    buttons = (Button("meeting.button.calendar", Do.meeting_calendar(meeting)), Button("meeting.button.agenda", Do.meeting_agenda(meeting)))
    return Screen(key, values, (buttons,))


def ask_put_off(draft: str, values: Values) -> Screen:
    """Putting a quarter's meeting off leaves the quarter open: sure?"""
    buttons = (Button("meeting.button.put_off", Do.meeting_put_off(draft)), Button("meeting.button.cancel", Do.cancel()))
    return Screen("meeting.ask_put_off", values, (buttons,))


def moved(values: Values) -> Screen:
    """To those who were asked: another date."""
    return Screen("meeting.moved_told", values)


def place_changed(meeting: str, values: Values) -> Screen:
    """To who changed it: another place, and how many were told."""
    return Screen("meeting.place_changed", values, ((Button("meeting.button.show", Do.meeting_show(meeting)),),))


def place_which(found: Sequence[Values], said: str) -> Screen:
    """Which meeting gets the place: the sentence to send for each."""
    return Screen("meeting.place_which", {"lines": stack(Key("meeting.place_line", {**values, "said": said}) for values in found)})


def called_off(key: str, values: Values) -> Screen:
    """To those who were asked: not on that date."""
    return Screen(key, values)


# -- agenda, notice, answers ----------------------------------------------------------------------------------------------
def agenda(
    meeting: str, values: Values, topics: Sequence[tuple[int, str, str]], editing: bool, *, notice: datetime | None = None, left: int = 0
) -> Screen:
    """The agenda; the desk can take topics off by button. `left`: how many cases found no room on it."""
    buttons = [Button(Key("meeting.button.drop", {"number": number}), Do.meeting_drop_topic(meeting, number)) for number, _, _ in topics]
    # The desk edits by the topic's own number, which stays when another goes.
    lines = stack(
        Key("meeting.topic_line", {"number": number, "text": said, "unit": Key("meeting.topic_unit", {"unit": unit}) if unit else None})
        for number, said, unit in topics
    )
    shown: Values = {
        **values,
        "count": len(topics),
        "lines": lines,
        "notice": notice,
        "left": Key("meeting.agenda_left", {"count": left}) if left else None,
        "how": Key("meeting.agenda_how", values) if editing else None,
    }
    return Screen("meeting.agenda" if topics else "meeting.agenda_empty", shown, rows(buttons, 4) if editing else ())


def _answers(row: str) -> tuple[Button, Button]:
    return Button("meeting.button.yes", Do.meeting_reply(row, "yes")), Button("meeting.button.leave", Do.meeting_reply(row, "leave"))


def notice(row: str, meeting: str, values: Values) -> Screen:
    """The notice (domain.md §11) with its two answers."""
    calendar = (Button("meeting.button.calendar", Do.meeting_calendar(meeting)),)
    return Screen("meeting.notice" if values["count"] else "meeting.notice_plain", values, (_answers(row), calendar))


def reminder(key: str, row: str, meeting: str, values: Values, *, answered: bool) -> Screen:
    """Once more, or today."""
    return Screen(key, values, () if answered else (_answers(row),))


def notice_sent(meeting: str, values: Values) -> Screen:
    """To the desk: who could be told."""
    return Screen("meeting.notice_sent", values, ((Button("meeting.button.show", Do.meeting_show(meeting)),),))


def replied(meeting: str, answer: str, values: Values) -> Screen:
    """The answer is kept, and can be changed until the meeting is opened."""
    calendar = ((Button("meeting.button.calendar", Do.meeting_calendar(meeting)),),) if answer == "yes" else ()
    return Screen(f"meeting.replied_{answer}", values, calendar)


def which(answer: str, found: Sequence[tuple[str, Values]]) -> Screen:
    """Several notices wait for an answer: which meeting is meant."""
    buttons = [Button(Key("meeting.button.which", {"code": values["code"]}), Do.meeting_reply(row, answer)) for row, values in found]
    lines = stack(Key("meeting.which_line", values) for _, values in found)
    return Screen(f"meeting.which_{answer}", {"lines": lines}, rows(buttons, 1))


def status(meeting: str, values: Values, state: str, *, desk: bool) -> Screen:
    """Where a meeting stands, with the next step as a button."""
    buttons: list[Button] = []
    if desk and state in BEFORE:
        buttons = [Button("meeting.button.agenda", Do.meeting_agenda(meeting)), Button("meeting.button.open", Do.meeting_open(meeting))]
    if desk and state == "IN_SESSION":
        buttons = [Button("meeting.button.roll", Do.meeting_roll(meeting)), Button("meeting.button.end", Do.meeting_end(meeting))]
    if desk and state in ("HELD", "MINUTED", "CLOSED"):
        buttons = [Button("meeting.button.minutes", Do.meeting_minutes(meeting)), Button("meeting.button.roll", Do.meeting_roll(meeting))]
    return Screen("meeting.status", _whole(values), rows([*buttons, Button("meeting.button.calendar", Do.meeting_calendar(meeting))]))


def _whole(values: Values) -> Values:
    return dict.fromkeys(("invited", "yes", "leave", "open", "came", "on_leave")) | values


def own_status(meeting: str, row: str, values: Values, *, open_to_answer: bool) -> Screen:
    """A meeting as one who is invited sees it: with the own answer, nobody else's."""
    calendar = (Button("meeting.button.calendar", Do.meeting_calendar(meeting)),)
    return Screen("meeting.own_status", values, (_answers(row), calendar) if open_to_answer else (calendar,))


def listing(dated: Sequence[tuple[str, Values]], waiting: Sequence[Values], total: int, offset: int, size: int) -> Screen:
    """A page of the meetings that are open, those with a date as buttons."""
    if not dated and not waiting:
        return Screen("meeting.list_none")
    lines = stack([
        *(Key("meeting.line", values) for _, values in dated), *(Key("meeting.line_waiting", values) for values in waiting),
    ])  # fmt: skip
    buttons = [Button(Key("meeting.button.which", {"code": values["code"]}), Do.meeting_show(meeting)) for meeting, values in dated]
    shown: Values = {"lines": lines, "rest": pages.rest(total, offset, size)}
    return Screen("meeting.list", shown, rows(buttons, 1) + pages.onward(total, offset, size, Do.meetings))


# -- the day --------------------------------------------------------------------------------------------------------------
def opened(meeting: str, values: Values) -> Screen:
    """In session: the code for the screen in the room; entered afterwards there is none."""
    buttons = (Button("meeting.button.roll", Do.meeting_roll(meeting)), Button("meeting.button.end", Do.meeting_end(meeting)))
    return Screen("meeting.opened" if "pin" in values else "meeting.opened_afterwards", values, (buttons,))


def ask_if_held(found: Sequence[tuple[str, Values]]) -> Screen:
    """Nobody opened these: held, to be entered now, or to be moved."""
    buttons = [
        button
        for meeting, values in found
        for button in (
            Button(Key("meeting.button.enter", {"code": values["code"]}), Do.meeting_open(meeting)),
            Button(Key("meeting.button.not_held", {"code": values["code"]}), Do.meeting_move(meeting)),
        )
    ]
    return Screen("meeting.ask_if_held", {"lines": stack(Key("meeting.unopened_line", values) for _, values in found)}, rows(buttons, 1))


def roll(meeting: str, values: Values, missing: Sequence[tuple[str, str]], state: str) -> Screen:
    """Who has come; who has not as buttons to tick."""
    buttons = [Button(Key("meeting.button.tick", {"who": name}), Do.meeting_sign(row)) for row, name in missing]
    last: Rows = ((Button("meeting.button.end", Do.meeting_end(meeting)),),) if state == "IN_SESSION" else ()
    return Screen("meeting.roll", values, rows(buttons, 1) + last)


def ended(meeting: str, values: Values, media: str) -> Screen:
    """HELD: the draft of the minutes and what is to be done with it."""
    return with_media(Screen("meeting.ended", values, (_desk(meeting, chief=False),)), media)


def _desk(meeting: str, *, chief: bool) -> tuple[Button, ...]:
    confirm = (Button("minutes.button.confirm", Do.meeting_confirm_minutes(meeting)),) if chief else ()
    return (Button("minutes.button.send", Do.meeting_send_minutes(meeting)), *confirm)


# -- minutes --------------------------------------------------------------------------------------------------------------
def minutes(meeting: str, values: Values, media: str, state: str, *, desk: bool, chief: bool) -> Screen:
    """The document as it stands."""
    buttons = (_desk(meeting, chief=chief),) if desk and state == "HELD" else ()
    return with_media(Screen("minutes.show", values, buttons), media)


def minutes_noted(meeting: str, values: Values, *, chief: bool) -> Screen:
    """What was written into the draft so far."""
    return Screen("minutes.noted", values, ((Button("meeting.button.minutes", Do.meeting_minutes(meeting)),), _desk(meeting, chief=chief)))


def minutes_to_correct(values: Values, media: str) -> Screen:
    """To the units: is this right?"""
    return with_media(Screen("minutes.to_correct", values), media)


def minutes_to_confirm(meeting: str, values: Values, media: str) -> Screen:
    """To the secretary."""
    return with_media(
        Screen("minutes.to_confirm", values, ((Button("minutes.button.confirm", Do.meeting_confirm_minutes(meeting)),),)), media
    )


def minutes_early(meeting: str, values: Values, *, sent: bool) -> Screen:
    """To the secretary: the units may still correct the draft, or have not seen it; is it to be final now?"""
    buttons = (
        Button("minutes.button.early", Do.meeting_confirm_early(meeting)),
        Button("meeting.button.minutes", Do.meeting_minutes(meeting)),
    )
    return Screen("minutes.early" if sent else "minutes.early_unsent", values, (buttons,))


def minutes_final(values: Values, media: str) -> Screen:
    """To the units: the confirmed document."""
    return with_media(Screen("minutes.final", values), media)


def corrected(meeting: str, values: Values) -> Screen:
    """To the desk: a unit's correction."""
    return Screen("minutes.correction_told", values, ((Button("meeting.button.minutes", Do.meeting_minutes(meeting)),),))


def minutes_due(key: str, meeting: str, values: Values) -> Screen:
    """The minutes are due today."""
    return Screen(key, values, ((Button("meeting.button.minutes", Do.meeting_minutes(meeting)),),))


# -- decisions ------------------------------------------------------------------------------------------------------------
def action_given(item: str, values: Values) -> Screen:
    """To the owner of a new decision."""
    return Screen("action.given", values, ((Button("action.button.done", Do.action_done(item)),),))


def action_reminder(key: str, item: str, values: Values) -> Screen:
    """To the owner: soon, today, late."""
    return Screen(key, values, ((Button("action.button.done", Do.action_done(item)),),))


def action_list(found: Sequence[tuple[str, Values]], total: int, offset: int, size: int) -> Screen:
    """A page of what is open, the earliest first; with a button where there is an id: the reader may call it done."""
    if not found:
        return Screen("action.list_none")
    buttons = [Button(Key("action.button.done_this", {"code": values["code"]}), Do.action_done(item)) for item, values in found if item]
    shown: Values = {"lines": stack(Key("action.line", values) for _, values in found), "rest": pages.rest(total, offset, size)}
    return Screen("action.list", shown, rows(buttons, 1) + pages.onward(total, offset, size, Do.action_items))


# -- talks ----------------------------------------------------------------------------------------------------------------
def ask_matter(values: Values) -> Screen:
    """What is it about?"""
    return Screen("talk.ask", values)


def booked(values: Values) -> Screen:
    """The place is kept."""
    return Screen("talk.booked", values, ((Button("talk.button.cancel", Do.talk_cancel()),),))


def talk_announced(values: Values) -> Screen:
    """Tomorrow's talk, to everybody."""
    return Screen("talk.announced", values, ((Button("button.private_chat", start="hello"),),))
