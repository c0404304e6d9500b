"""Promises (承诺践诺, domain.md §5 Commitment): whose they are, who reviews them, how they read, and the one public list.

A promise is made by a member, a branch (its secretary), a unit (its liaison) or the community to its units (双向承诺), once a year.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from models import Commitment, Community, Enrollment, PartnerUnit, Person
from services import codes, masking, meeting_people, moves, post
from services.context import Context, Refusal
from services.identity import persons_with
from services.metrics_people import PUBLISHED
from services.promise_calendar import year_of
from services.units import own_units
from services.workdays import local
from texts import pages
from texts import promise_screens as screens
from texts.screen import Key, Screen, Value
from texts.work_screens import stack

PREFIX = "CN"
KINDS = ("member", "org", "unit", "community")
PLEDGED = ("SUBMITTED", *PUBLISHED)
PAGE, LONGEST_REASON = 6, 60
Side = tuple[str, str]


def card(promise: Commitment) -> str:
    """The name of its living message at those who review it."""
    return f"promise:{promise.id}"


# -- whose ------------------------------------------------------------------------------------------------------------
async def sides(context: Context) -> list[Side]:
    """For whom the actor promises: (kind, owner) as in Commitment."""
    actor, found = context.actor, list[Side]()
    if actor.member_state == "ACTIVE" and actor.id is not None:
        found.append(("member", actor.id))
    found += [("org", grant.grid) for grant in actor.grants if grant.role == "branch_secretary" and grant.grid]
    found += [("unit", code) for code in sorted(own_units(context))]
    if actor.has("community_secretary", "coordinator", "community_clerk"):
        found.append(("community", ""))
    return list(dict.fromkeys(found))


async def of_sides(context: Context, whose: Iterable[Side], year: int) -> list[Commitment]:
    """The promises of these in a year, in the order of kinds."""
    mine = [sa.and_(col(Commitment.owner_kind) == kind, col(Commitment.owner) == owner) for kind, owner in whose]
    query = _here(context).where(sa.or_(sa.false(), *mine), col(Commitment.year) == year)
    return sorted(await context.session.scalars(query), key=lambda one: (KINDS.index(one.owner_kind), one.owner))


async def every(context: Context, year: int, *states: str) -> list[Commitment]:
    """The promises of a year in one of these states, by kind and code: never by result (domain.md §0.1)."""
    query = _here(context).where(col(Commitment.year) == year, col(Commitment.state).in_(states))
    return sorted(await context.session.scalars(query), key=lambda one: (KINDS.index(one.owner_kind), one.code or "", one.id))


def _here(context: Context) -> Any:
    return sa.select(Commitment).where(col(Commitment.community_id) == context.ground.community_id)


async def names(context: Context, promises: Sequence[Commitment]) -> dict[str, str]:
    """Whose each promise is, as people call them, by its id."""
    members = [one.owner for one in promises if one.owner_kind == "member"]
    known = {
        person.id: person.display_name for person in await context.session.scalars(sa.select(Person).where(col(Person.id).in_(members)))
    }
    units = {unit.code: unit.name for unit in await context.session.scalars(sa.select(PartnerUnit))}
    found = {}
    for one in promises:
        grid = context.ground.grids.get(one.owner)
        found[one.id] = {
            "member": known.get(one.owner, ""), "unit": units.get(one.owner, one.owner),
            "org": (grid.branch_name or grid.name) if grid else one.owner, "community": context.ground.name,
        }[one.owner_kind]  # fmt: skip
    return found


async def owners(context: Context, promise: Commitment) -> list[Person]:
    """Who speaks for the promise."""
    match promise.owner_kind:
        case "member":
            found = await context.session.get(Person, promise.owner)
            return [found] if found else []
        case "unit":
            liaison = await meeting_people.liaison(context, promise.owner)
            return [liaison] if liaison else []
        case "org":
            return await persons_with(context, "branch_secretary", grid=promise.owner)
    return await persons_with(context, "community_secretary", "coordinator")


async def branch_of(context: Context, promise: Commitment) -> str | None:
    """The grid whose branch a member's or a branch's promise belongs to."""
    if promise.owner_kind != "member":
        return promise.owner if promise.owner_kind == "org" else None
    mine = sa.select(col(Enrollment.grid_code)).where(col(Enrollment.person_id) == promise.owner, col(Enrollment.state) == "ACTIVE")
    grid: str | None = await context.session.scalar(mine.limit(1))
    return grid


async def reviewers(context: Context, promise: Commitment) -> list[Person]:
    """Who approves and confirms: the member's branch secretary, where there is none and for the others the community's secretary."""
    grid = await branch_of(context, promise) if promise.owner_kind == "member" else None
    found = await persons_with(context, "branch_secretary", grid=grid) if grid else []
    found = [person for person in found if person.id != promise.owner]
    return found or await persons_with(context, "community_secretary")


# -- finding ----------------------------------------------------------------------------------------------------------
async def get(context: Context, promise_id: str, *, lock: bool = False) -> Commitment:
    """The promise by id. Raises Refusal when there is none here."""
    query = _here(context).where(col(Commitment.id) == promise_id)
    found: Commitment | None = await context.session.scalar(
        query.with_for_update().execution_options(populate_existing=True) if lock else query
    )
    if found is None:
        raise Refusal("promise.unknown", code="", mine=None)
    return found


async def find(context: Context, code: str, *, lock: bool = False) -> Commitment:
    """The promise by code, the end of one, or "" for the actor's only one. Raises Refusal, with the actor's own codes."""
    mine = await of_sides(context, await sides(context), local(context.now).year)
    mine += await of_sides(context, await sides(context), local(context.now).year - 1)
    if not code.strip() and len(mine) == 1:
        return await get(context, mine[0].id, lock=lock)
    query, short = _here(context), codes.short(code)
    query = query.where(col(Commitment.code).endswith(f"-{short}") if short else col(Commitment.code) == codes.tidy(code, PREFIX))
    found = list(await context.session.scalars(query.limit(2)))
    if short and len(found) != 1:
        found = [one for one in mine if (one.code or "").endswith(f"-{short}")]
    if len(found) != 1:
        raise Refusal("promise.unknown", code=code, mine=[one.code for one in mine[:3] if one.code] or None)
    return await get(context, found[0].id, lock=lock)


async def require(context: Context, promise: Commitment, event: str) -> None:
    """Raises Refusal unless the actor may do `event` to the promise as it stands."""
    if not await moves.allowed(context, promise, event):
        who = await moves.relations(context, promise)
        may = any(set(row.by) & who for row in moves.life_of(promise).moves if row.event == event)
        raise Refusal("refused.state" if may else "refused.permission", code=promise.code, state=Key(f"state.commitment.{promise.state}"))


# -- how it reads -----------------------------------------------------------------------------------------------------
async def values(context: Context, promise: Commitment, *, private: bool = False) -> dict[str, Value]:
    """The promise as it is read; `private`: with what its owner alone and the reviewers see."""
    name = (await names(context, [promise]))[promise.id]
    return {
        "code": promise.code, "owner": name, "kind": Key(f"promise.kind.{promise.owner_kind}"), "year": str(promise.year),
        "count": len(promise.items), "state": Key(f"state.commitment.{promise.state}"), "lines": lines(promise, private=private),
        "result": result(promise, private=private) if _judged(promise, private=private) else None,
        "reason": promise.return_reason if private and promise.state == "DRAFT" else None,
    }  # fmt: skip


def _judged(promise: Commitment, *, private: bool) -> bool:
    """Whether the result may be read: by others once it is published, not while its owner previews it or objects (domain.md §0.2)."""
    return promise.state == "ARCHIVED" or (private and promise.state in ("EVALUATED", "OBJECTED"))


def lines(promise: Commitment, *, private: bool = False) -> Key | None:
    """The items of a promise with what became of them; others read of an unpublished verdict only what its owner said."""
    shown, verdict = [], () if private or promise.state == "ARCHIVED" else ("result", "excused")
    for number, whole in enumerate(promise.items, 1):
        item = {part: value for part, value in whole.items() if part not in verdict}
        what = item.get("result") or ("excused" if item.get("excused") else item.get("said"))
        note = _mark(item)
        reason = item.get("reason") if what in ("not", "excused", "partly") else None
        shown.append(screens.item(number, item, note, reason if private else _public_reason(item, reason)))
    return stack(shown)


def _mark(item: dict[str, Any]) -> Key | None:
    """What became of an item: as confirmed, else as its owner says."""
    if item.get("result") or item.get("excused"):
        return Key(f"promise.mark.{item.get('result') or 'excused'}")
    if item.get("said"):
        return Key(f"promise.said.{item['said']}")
    return Key("promise.mark.done") if item.get("done_on") else None


def _public_reason(item: dict[str, object], reason: object) -> Value:
    """The reason as the public may read it: of an excused item alone, and nothing of health or hardship (domain.md §0.6)."""
    if not reason or item.get("result") != "excused":
        return None
    return Key("promise.reason_private") if masking.private_matter(str(reason)) else masking.mask(str(reason))[:LONGEST_REASON]


def result(promise: Commitment, *, private: bool = False) -> Value:
    """The confirmed result, 未兑现 for an objective reason with it (domain.md §5)."""
    excused = [one for one in promise.items if one.get("result") == "excused" and one.get("reason")]
    reasons = [one["reason"] if private else _public_reason(one, one["reason"]) for one in excused]
    key = "promise.result_because" if reasons and promise.result != "kept" else "promise.result_plain"
    return Key(key, {"result": Key(f"promise.grade.{promise.result}"), "reasons": reasons}) if promise.result else None


async def letter(context: Context, promise: Commitment) -> Key:
    """The 承诺书 (domain.md §11)."""
    return Key("promise.letter", await values(context, promise))


# -- the public list --------------------------------------------------------------------------------------------------
async def publish_list(context: Context, year: int, how: str = "public") -> None:
    """Let the one public list stand in the public group and the party group, or change the one that stands. `how`: public or results."""
    # The community's row is held, so that of two who approve at once one makes the list and the other changes it.
    await context.session.execute(sa.select(col(Community.id)).where(col(Community.id) == context.ground.community_id).with_for_update())
    shown, name = await public_list(context, year, how), f"promises:{how}:{year}"
    if not await post.edit_card(context, name, shown):
        for purpose in ("party", "public"):
            await post.to_purpose(context, purpose, shown, card=name)


async def refresh_lists(context: Context, year: int) -> None:
    """Let the lists that stand in the groups read as they do now; none is made."""
    for how in ("public", "results"):
        await post.edit_card(context, f"promises:{how}:{year}", await public_list(context, year, how))


async def public_list(context: Context, year: int, how: str = "public") -> Screen:
    """Who promised (with `results`: what became of it), without a ranking and without anybody who did not."""
    found = await every(context, year, *(("ARCHIVED",) if how == "results" else PUBLISHED))
    known = await names(context, found)
    found = [one for one in found if known[one.id]]  # who had everything deleted has no name
    grouped = defaultdict[str, list[Value]](list)
    for one in found:
        grouped[one.owner_kind].append(
            Key("promise.of_result", {"owner": known[one.id], "result": result(one)}) if how == "results" else known[one.id]
        )
    return screens.public_list(how, context.ground.name, year, [(kind, grouped[kind]) for kind in KINDS if grouped[kind]])


async def browse(context: Context, offset: int, year: int | None = None) -> Screen:
    """A page of the published promises with their items, for anybody."""
    year = year or local(context.now).year
    found = await every(context, year, *PUBLISHED)
    if not found and year == local(context.now).year:
        year, found = year - 1, await every(context, year - 1, *PUBLISHED)
    known = await names(context, found)
    found = [one for one in found if known[one.id]]
    part = pages.part(found, offset, PAGE)
    shown = [Key("promise.entry", await values(context, one)) for one in part]
    return screens.browse(context.ground.name, year, shown, len(found), offset, PAGE)


async def look(context: Context, promise: Commitment) -> Screen:
    """One promise: the owner's and the reviewer's view, or the public one of what is published."""
    who = await moves.relations(context, promise)
    private = bool(who & {"owner", "reviewer"})
    if not private and promise.state not in PUBLISHED:
        raise Refusal("promise.unknown", code=promise.code or "", mine=None)
    return screens.sheet(await values(context, promise, private=private), promise.id, promise.state, "owner" in who)


async def mine(context: Context) -> Screen:
    """我的承诺: what the actor promised this year, for each side; in January last year's too while its result may be objected to."""
    year, whose = local(context.now).year, await sides(context)
    found = await of_sides(context, whose, year)
    if local(context.now).month == 1:
        found += [one for one in await of_sides(context, whose, year - 1) if one.state not in ("DRAFT", "WITHDRAWN")]
    window = year_of(context)
    may_write = bool(whose) and window.opens.date() <= local(context.now).date() and context.now <= window.closes
    shown = [(one.id, one.state, await values(context, one, private=True)) for one in found]
    return screens.mine(shown, may_write)


def today(context: Context) -> date:
    """The date on the community's clock."""
    return local(context.now).date()
