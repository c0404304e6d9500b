"""From a sentence to a problem: the draft, what is asked next, the report, sealed ones (domain.md §0.5, §1, §2, §5)."""

from __future__ import annotations

import dataclasses
import secrets
from datetime import timedelta

import sqlalchemy as sa
from sqlmodel import col

from models import AnonymousToken, ConsentRecord, Draft, Media, Place, Problem, ProblemSupporter, keyring
from services import abuse, building_doors, media, moves, post, recurrence, tickets, understanding, web_history
from services.codes import next_code
from services.context import Actor, Context, Refusal
from services.geography import distance_m, grid_at
from services.near_duplicates import NEAR_METRES, OPEN, near_duplicate
from services.places import NamedPlace
from services.public_words import public
from services.understanding import Understanding, categories
from services.workdays import deadlines
from texts.screen import Screen
from texts.utterances import PARTICLES as _PARTICLES

__all__ = ["Problem"]

MOST_TEXT = 2000
MOST_PHOTOS = 9
IN_PIECES = timedelta(minutes=3)
NOTICE_VERSION = 1


# -- the draft ------------------------------------------------------------------------------------------------
def go_on(context: Context) -> None:
    """Go on with what was said a moment ago and was no matter yet, if it named a place (9幢 … 门口 … 路灯不亮); else a fresh draft."""
    draft = context.draft
    said = draft.data if draft is not None and draft.kind == "report" and context.now - draft.updated_at <= IN_PIECES else {}
    if not said.get("text") or not any(said.get(name) for name in ("place_id", "candidates", "unknown_building", "estate")):
        begin(context)


def begin(context: Context, *, anonymous: bool = False, at: Place | None = None) -> Draft:
    """A fresh draft, which the dialog works on from now on. An earlier unfinished one stays for 7 days.

    `at`: the place of the door that was scanned; without it the door of the draft before is taken over while it counts.
    """
    assert context.account is not None
    data = {
        "anonymous": anonymous,
        "text": "",
        "photos": 0,
        "began": context.message_id,
        **building_doors.carried(context.draft, context.now),
    }
    context.draft = Draft(account_id=context.account.id, kind="report", updated_at=context.now, data=data)
    if at is not None:
        building_doors.enter(context.draft, at, context.now)
    context.session.add(context.draft)
    return context.draft


async def open_draft(context: Context, draft_id: str) -> Draft:
    """The actor's own draft of this id, which the dialog works on from now on. Raises Refusal when it is gone."""
    draft = await context.session.get(Draft, draft_id)
    if draft is None or draft.kind != "report" or context.account is None or draft.account_id != context.account.id:
        raise Refusal("report.draft_gone")
    context.draft = draft
    return draft


def say(context: Context, text: str) -> Understanding:
    """Take what was said into the draft: text, category, urgency, place. What was chosen by hand is not overruled."""
    draft = _draft(context)
    data = draft.data
    text = understanding.normalise(text)[:MOST_TEXT]
    data["text"] = f"{data['text']}\n{text}".strip()[:MOST_TEXT] if data.get("text") else text
    matter = context.ground.gazetteer.without_estates(data["text"])
    understood = understanding.understand(matter)
    if not data.get("category_chosen"):
        data["guesses"] = [guess.code for guess in understood.guesses]
        data["category"] = understood.best.code if understood.best and understood.confident else None
    if understood.urgent:
        data["urgent"] = understood.urgent
        data["category"] = data.get("category") or understanding.urgent_category(matter) or "J09"
    if not data.get("place_id") and data.get("lat") is None:
        known = {name: data.get(name) for name in ("candidates", "unknown_building", "estate")}
        if find_place(context, text) == "none" and not data["estate"] and any(known.values()):
            data.update(known)  # a place said before stays the place that is asked about
    return understood


def find_place(context: Context, text: str) -> str:
    """Look for a place in what was said: "place", "ambiguous", "unknown_building" or "none"; a found one goes into the draft."""
    data = _draft(context).data
    here, person = building_doors.scanned(context), context.actor.person
    home = here.name if here else person.building if person else None
    match = context.ground.gazetteer.find(text, home)
    if estate := data.get("estate"):  # a building said after an estate is one of it
        within = context.ground.gazetteer.find(estate + text, home)
        match = within if within.kind == "place" else match
    grid = here.grid_code if here else person.home_grid if person else None
    near = [place for place in match.places if grid and place.grid == grid]
    if match.kind == "ambiguous" and len(near) == 1:  # the one in the grid where the person is at home
        match = dataclasses.replace(match, kind="place", places=tuple(near))
    data["detail"] = match.detail or data.get("detail", "")
    data["candidates"] = [place.id for place in match.places] if match.kind == "ambiguous" else []
    data["unknown_building"] = match.words if match.kind == "unknown_building" else ""
    data["estate"] = match.estate
    if match.kind == "place":
        put_place(context, match.places[0])
    return match.kind


def waits_for_place(context: Context) -> bool:
    """Whether the dialog's report has words and no place yet."""
    data = context.draft.data if context.draft is not None and context.draft.kind == "report" else {}
    return bool(data.get("text")) and data.get("lat") is None


def put_place(context: Context, place: NamedPlace | Place) -> None:
    """The problem is at this place."""
    grid = place.grid if isinstance(place, NamedPlace) else place.grid_code
    _draft(context).data.update(
        place_id=place.id, place=place.name, lat=place.lat, lon=place.lon, grid=grid, candidates=[], unknown_building="", estate="",
        outside=False,
    )  # fmt: skip


def choose_place(context: Context, place_id: str) -> None:
    """The problem is at the place with this id. Raises Refusal for an unknown one."""
    place = context.ground.places.get(place_id)
    if place is None:
        raise Refusal("report.place_gone")
    put_place(context, place)


def put_point(context: Context, lat: float, lon: float) -> None:
    """The problem is at this point: a shared location comes before every named place (domain.md §1, Where)."""
    data = _draft(context).data
    grid = grid_at(lat, lon, context.ground.shapes)
    near = min(context.ground.places.values(), key=lambda place: distance_m(lat, lon, place.lat, place.lon), default=None)
    close = near is not None and distance_m(lat, lon, near.lat, near.lon) <= NEAR_METRES and near.grid_code == grid
    data.update(
        place_id=near.id if close and near else None, place=near.name if close and near else "", lat=lat, lon=lon, grid=grid,
        outside=grid is None, candidates=[], unknown_building="", estate="", point=True,
    )  # fmt: skip


def choose_among(context: Context, text: str) -> bool:
    """Whether the words name just one of the places that were offered ("青禾苑的"); then the problem is there."""
    said = understanding.normalise(text).rstrip(_PARTICLES)
    offered = [context.ground.places[number] for number in _draft(context).data.get("candidates", ())]
    named = [place for place in offered if len(said) > 1 and said in place.name]
    if len(named) == 1:
        put_place(context, named[0])
    return len(named) == 1


def put_words(context: Context, text: str) -> None:
    """The place is only known in words: the coordinator will find the grid."""
    _draft(context).data.update(detail=understanding.normalise(text)[:100], nowhere=True, candidates=[], unknown_building="")


def choose_category(context: Context, code: str) -> None:
    """The problem is of this category. Raises Refusal for an unknown one."""
    if code not in categories():
        raise Refusal("report.category_gone")
    _draft(context).data.update(category=code, category_chosen=True)


async def add_photo(context: Context, data: bytes) -> int:
    """Keep a (re-encoded) photo with the draft; how many it has now. Raises Refusal beyond nine."""
    draft = _draft(context)
    if draft.data.get("photos", 0) >= MOST_PHOTOS:
        raise Refusal("report.too_many_photos", most=MOST_PHOTOS)
    await context.session.flush()
    await media.keep(context, f"draft:{draft.id}", data)
    count = await context.session.scalar(
        sa.select(sa.func.count()).select_from(Media).where(col(Media.owner) == f"draft:{draft.id}", col(Media.kind) == "photo")
    )
    draft.data["photos"] = int(count or 0)
    return int(count or 0)


async def add_recording(context: Context, data: bytes, mime: str) -> None:
    """Keep a recording with the draft."""
    draft = _draft(context)
    await context.session.flush()
    await media.keep(context, f"draft:{draft.id}", data, kind="voice", mime=mime)
    draft.data["voice"] = True


async def next_question(context: Context) -> str:
    """What must be known next: urgent, what, category, which_place, where, same, or confirm when all is there."""
    data = _draft(context).data
    if data.get("urgent"):
        if data.get("lat") is None and not data.get("candidates") and not data.get("unknown_building"):
            _use_home(context)
        return "urgent"
    if not data.get("text") and not data.get("voice"):
        return "what"
    if not data.get("category"):
        return "category"
    if data.get("candidates"):
        return "which_place"
    if data.get("lat") is None and not data.get("nowhere"):
        if data.get("unknown_building") or not _use_home(context):
            return "where"
    if not data.get("different") and not data.get("anonymous"):
        if (twin := await near_duplicate(context, data)) is not None:
            data["twin"] = twin.id
            return "same"
    return "confirm"


def _use_home(context: Context) -> bool:
    """Take the door that was scanned, then the home, when no place is named (domain.md §1, Where).

    Never the home for an anonymous report, which it would point at, nor for one from another large estate; the door was shown on purpose.
    """
    if (here := building_doors.scanned(context)) is not None:
        put_place(context, here)
        return True
    if _draft(context).data.get("anonymous") or _draft(context).data.get("estate"):
        return False
    home = context.actor.person.building if context.actor.person else None
    place = next((place for place in context.ground.places.values() if place.name == home), None)
    if place is None:
        return False
    put_place(context, place)
    return True


# -- from the draft to the problem ----------------------------------------------------------------------------
async def submit(context: Context, draft_id: str, anonymous: bool = False) -> tuple[Problem, bool]:
    """Make the draft a problem: (the problem, whether it is new). The same draft twice makes one (unique `draft_id`).

    With `anonymous` it is sealed: nothing that is stored leads to the reporter. Raises Refusal when the draft is gone or unfinished.
    """
    known = await context.session.scalar(sa.select(Problem).where(col(Problem.draft_id) == draft_id))
    if known is not None and known.reporter_id == context.actor.id:
        return known, False
    draft = await open_draft(context, draft_id)
    data = draft.data
    if not data.get("category") or not (data.get("text") or data.get("voice")):
        raise Refusal("report.unfinished")
    if not data.get("urgent"):
        abuse.report(context)
    anonymous = anonymous or bool(data.get("anonymous"))
    token = await _seal(context) if anonymous else None
    if token is not None:
        await web_history.forget_draft(context, draft)
    place = context.ground.places.get(data.get("place_id") or "")
    problem = await create(
        context, category=data["category"], text=data.get("text", ""), place=place, detail=data.get("detail", ""),
        point=(data["lat"], data["lon"]) if data.get("lat") is not None else None, grid=data.get("grid"),
        reporter_id=None if token else context.actor.id, channel="bot", urgent=bool(data.get("urgent")),
        draft_id=None if token else draft.id, media_owner=f"draft:{draft.id}", token=token,
    )  # fmt: skip
    if not anonymous:
        await consent(context)
    await context.session.delete(draft)
    context.draft = None
    return problem, True


async def create(
    context: Context, *, category: str, text: str, place: Place | NamedPlace | None, detail: str, point: tuple[float, float] | None,
    grid: str | None, reporter_id: str | None, channel: str, urgent: bool, draft_id: str | None, media_owner: str = "",
    token: AnonymousToken | None = None,
) -> Problem:  # fmt: skip
    """A new problem with its code and deadlines; the grid's leader is told (P1: the coordinators too)."""
    sla = "P1" if urgent else categories()[category].sla
    contact_due, resolve_due = deadlines(sla, context.now, context.calendar)
    problem = Problem(
        community_id=context.ground.community_id, code=await next_code(context, "WT"), draft_id=draft_id, grid_code=grid,
        place_id=place.id if place else None, place_name=place.name if place else "", place_detail=detail,
        lat=point[0] if point else None, lon=point[1] if point else None, category=category, sla=sla, text=text,
        text_public=await public(context, text), channel=channel, anonymous=token is not None, reporter_id=reporter_id,
        token_id=token.id if token else None, level="grid" if grid else "community", submitted_at=context.now,
        contact_due=contact_due, resolve_due=resolve_due, original_resolve_due=resolve_due,
    )  # fmt: skip
    await moves.begin(context, problem, "submit")
    if media_owner:
        await media.hand_over(context, media_owner, f"problem:{problem.id}")
    await tickets.announce(context, problem)
    await recurrence.expect(context, problem)
    return problem


async def support(context: Context, draft_id: str, problem_id: str) -> Problem:
    """The reporter says it is the same problem: a supporter of that one instead of a new one.

    Raises Refusal: it is over, or it is not the one that was shown.
    """
    draft = await open_draft(context, draft_id)
    problem = await context.session.get(Problem, problem_id)
    if problem is None or problem.state not in OPEN or problem.id != draft.data.get("twin"):
        raise Refusal("report.twin_over")
    person = context.actor.person
    assert person is not None
    if problem.reporter_id != person.id and await context.session.get(ProblemSupporter, (problem.id, person.id)) is None:
        context.session.add(ProblemSupporter(problem_id=problem.id, person_id=person.id, at=context.now))
        moves.remark(context, problem, "support")
        await tickets.add_words(context, problem, draft.data.get("text", ""), await media.of(context, f"draft:{draft.id}"))
        await media.hand_over(context, f"draft:{draft.id}", f"problem:{problem.id}")
        await consent(context)
    await context.session.delete(draft)
    context.draft = None
    return problem


async def discard(context: Context, draft_id: str) -> None:
    """Throw the draft away with its photos."""
    draft = await open_draft(context, draft_id)
    await context.session.execute(sa.delete(Media).where(col(Media.owner) == f"draft:{draft.id}"))
    await context.session.delete(draft)
    context.draft = None


def make_anonymous(context: Context) -> bool:
    """Let what was told be an anonymous report from now on; whether anything was told."""
    data = _draft(context).data
    if not data.get("text") and not data.get("voice"):
        return False
    data["anonymous"] = True
    return True


async def forget_named(context: Context) -> None:
    """What an anonymous report tells cannot be sent under the name any more: drafts of the same matter are thrown away."""
    draft = _draft(context)
    if not draft.data.get("anonymous"):
        return
    own = sa.select(Draft).where(col(Draft.account_id) == draft.account_id, col(Draft.kind) == draft.kind, col(Draft.id) != draft.id)
    for other in await context.session.scalars(own):
        told = other.data.get("text", "")
        if not other.data.get("anonymous") and told and understanding.same_matter(told, draft.data.get("text", "")):
            await context.session.execute(sa.delete(Media).where(col(Media.owner) == f"draft:{other.id}"))
            await context.session.delete(other)


async def consent(context: Context) -> None:
    """提交 is the consent to the privacy notice shown on the card (domain.md §1)."""
    person = context.actor.person
    if person is not None and person.consent_version < NOTICE_VERSION:
        person.consent_version, person.consent_at = NOTICE_VERSION, context.now
        context.session.add(ConsentRecord(person_id=person.id, notice_version=NOTICE_VERSION, given_at=context.now))


async def _seal(context: Context) -> AnonymousToken:
    """A return address that only this chat can be recognised by; from here on the turn's rows name the token alone."""
    assert context.chat is not None
    salt = secrets.token_urlsafe(12)
    token = AnonymousToken(
        salt=salt, chat_hash=keyring.hash(salt, context.chat.platform, context.chat.address),
        return_address="\n".join((context.chat.platform, context.chat.bot, context.chat.address, context.language)),
    )  # fmt: skip
    context.session.add(token)
    await context.session.flush()
    context.facts["sealed"] = token.id
    context.actor = Actor(None)
    return token


def _draft(context: Context) -> Draft:
    if context.draft is None:
        return begin(context)
    return context.draft


async def refresh_card(context: Context, card: str, shown: Screen) -> bool:
    """Change the card that is already in the chat instead of sending another; whether there was one."""
    return await post.edit_card(context, card, shown) > 0
