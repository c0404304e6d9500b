"""Posts that members take on (认岗领责): setting up, claiming, confirming, leaving, and the end of their term (domain.md §3 Post)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from sqlmodel import col, select

from models import Enrollment, Person, Post, PostClaim
from models.lifecycle import POST_CLAIM
from services import audit, lists, post
from services.alarms import drop_alarms, set_alarm
from services.codes import next_number
from services.context import Context, Refusal
from services.identity import persons_with
from services.moves import begin, move, relations
from services.post_lines import PostLine, read_line
from services.tasks import program
from services.workdays import ZONE, local
from texts.posts_screens import PostView, last_day, post_card, post_confirmed, post_list, post_receipt, post_to_confirm, sure_to_leave
from texts.posts_screens import my_posts as my_posts_screen
from texts.screen import Key, Screen, screen

HELD = POST_CLAIM.open
LISTED = 12


# -- setting up -----------------------------------------------------------------------------------------------------
def require_staff(context: Context) -> None:
    """Raises Refusal unless the actor may set up a post somewhere: coordinator, or grid leader for the own grid."""
    if not context.actor.has("coordinator", "community_clerk", "community_secretary", "grid_leader"):
        raise Refusal("refused.only.grid_leader")


async def read(context: Context, said: str, known: PostLine) -> tuple[PostLine, list[Key]]:
    """What a 设岗 line says over what was known, and what is still missing. Raises Refusal: no staff, or another's grid."""
    require_staff(context)
    classes, today = await lists.entries(context, "posts"), local(context.now).date()
    line = read_line(said, today, known, context.ground, classes)
    own = [grant.grid for grant in context.actor.grants if grant.role == "grid_leader" and grant.grid]
    if line.grid is None and not line.everywhere and not line.candidates and len(own) == 1 and not _everywhere(context):
        line = PostLine.from_data(line.to_data() | {"grid": own[0]})
    if (line.grid or line.everywhere) and not _everywhere(context) and line.grid not in own:
        raise Refusal("post.other_grid")
    return line, line.missing(today, classes)


def _everywhere(context: Context) -> bool:
    return context.actor.has("coordinator", "community_clerk", "community_secretary")


async def set_up(context: Context, line: PostLine) -> PostView:
    """Set up the post: its one card goes to the party group. Raises Refusal: not the actor's grid, or something missing."""
    line, missing = await read(context, "", line)
    if missing or line.people is None or line.begins is None or line.until is None:
        raise Refusal("post.missing", missing=missing)
    made = Post(
        community_id=context.ground.community_id, number=await next_number(context, "post"), name=line.name, post_class=line.post_class,
        duties=line.duties, grid_code=line.grid, place_name=line.place, capacity=line.people, term_from=line.begins,
        term_to=line.until + timedelta(days=1), creator_id=context.actor.id, created_at=context.now,
    )  # fmt: skip
    context.session.add(made)
    await context.session.flush()
    await set_alarm(context, "end_post_term", made.id, end_of(made))
    shown = await view(context, made)
    await post.to_purpose(context, "party", post_card(shown), card=card_of(made))
    return shown


def end_of(made: Post) -> datetime:
    """When the post's term is over."""
    return datetime.combine(made.term_to, time(), ZONE)


def card_of(made: Post) -> str:
    """The name of the post's living card in the outbox."""
    return f"post:{made.id}"


# -- looking --------------------------------------------------------------------------------------------------------
async def find(context: Context, number: str, lock: bool = False) -> Post:
    """The post by number or id; with `lock` its row is held until the commit and read anew. Raises Refusal."""
    number = number.strip().lstrip("#")
    query = select(Post).where(col(Post.community_id) == context.ground.community_id)
    query = query.where(col(Post.number) == int(number) if number.isdecimal() and len(number) <= 6 else col(Post.id) == number)
    if lock:
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    found = (await context.session.scalars(query)).first()
    if found is None:
        raise Refusal("post.unknown")
    return found


async def claims_of(context: Context, made: Post, *states: str) -> list[PostClaim]:
    """The post's claims in these states, in the order they were made."""
    query = select(PostClaim).where(col(PostClaim.post_id) == made.id, col(PostClaim.state).in_(states))
    query = query.order_by(col(PostClaim.applied_at), col(PostClaim.id)).execution_options(populate_existing=True)
    return list((await context.session.scalars(query)).all())


async def view(context: Context, made: Post) -> PostView:
    """What everybody may see of the post now."""
    taken = len(await claims_of(context, made, *HELD))
    over = made.closed_at is not None or context.now >= end_of(made)
    phase = "closed" if over else "full" if taken >= made.capacity else "open"
    place = made.place_name or context.ground.grid_name(made.grid_code) or Key("post.everywhere")
    return PostView(
        made.id, made.number, made.name, made.post_class, place, made.duties, made.term_from, last_day(made.term_to),
        made.capacity, taken, phase,
    )  # fmt: skip


async def open_posts(context: Context) -> Screen:
    """The posts of today and to come, the ones with a place first, with [认岗] for ACTIVE members."""
    query = select(Post).where(col(Post.community_id) == context.ground.community_id, col(Post.closed_at).is_(None))
    found = await context.session.scalars(query.where(col(Post.term_to) > local(context.now).date()).order_by(col(Post.number)))
    views = sorted([await view(context, made) for made in found], key=lambda one: one.phase != "open")[:LISTED]
    return post_list(views, context.actor.member_state == "ACTIVE") if views else screen("post.none")


async def mine(context: Context) -> Screen:
    """The actor's own posts, each with its way out."""
    query = select(PostClaim, Post).join(Post, col(Post.id) == col(PostClaim.post_id))
    query = query.where(col(PostClaim.person_id) == context.actor.id, col(PostClaim.state).in_(HELD))
    found = (await context.session.execute(query.order_by(col(Post.number)))).all()
    views = [(await view(context, made), claim.state, claim.id) for claim, made in found]
    return my_posts_screen(views) if views else screen("post.mine_none")


async def _refresh(context: Context, made: Post) -> PostView:
    """Make the group's card say how things stand."""
    await context.session.flush()
    shown = await view(context, made)
    await post.edit_card(context, card_of(made), post_card(shown))
    return shown


# -- claiming -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Applied:
    """An application for a post; `sheet` is for the claimer alone, `told`: it reached them in private."""

    view: PostView
    sheet: Screen
    told: bool


async def claim(context: Context, number: str) -> Applied:
    """Apply for a post; whoever confirms is asked once. Applications hold their places: never more than `capacity` (the row is held).

    Raises Refusal: no ACTIVE member, the post is over or full, or claimed already.
    """
    if context.actor.member_state != "ACTIVE":
        raise Refusal("post.not_member")
    made = await find(context, number, lock=True)
    shown, held = await view(context, made), await claims_of(context, made, *HELD)
    if any(one.person_id == context.actor.id for one in held):
        raise Refusal("post.already", **shown.values)
    if shown.phase != "open":
        raise Refusal(f"post.is_{shown.phase}", **shown.values)
    applied = PostClaim(post_id=made.id, person_id=str(context.actor.id), applied_at=context.now)
    await begin(context, applied, "apply")
    shown = await _refresh(context, made)
    name = context.actor.person.display_name if context.actor.person else ""
    for person in await _confirmers(context, made):
        audit.looked(context, context.actor.id, "member", f"post_claim:{applied.id}", viewer=person.id)
        await post.to_person(context, person.id, post_to_confirm(shown, applied.id, name))
    sheet, told = post_receipt(shown, applied.id), context.private
    if not told:
        told = await post.to_person(context, context.actor.id, sheet, answer=True) is not None
    return Applied(shown, sheet, told)


async def _confirmers(context: Context, made: Post) -> Sequence[Person]:
    """The grid's leader; without one the coordinators."""
    leaders = await persons_with(context, "grid_leader", grid=made.grid_code) if made.grid_code else []
    return leaders or await persons_with(context, "coordinator", "community_clerk")


async def _locked(context: Context, claim_id: str) -> tuple[Post, PostClaim]:
    """The claim with its post's row held, both read anew. Raises Refusal for an unknown id."""
    known = await context.session.get(PostClaim, claim_id)
    if known is None:
        raise Refusal("post.claim_unknown")
    made = await find(context, known.post_id, lock=True)
    await context.session.refresh(known)
    return made, known


async def confirm(context: Context, claim_id: str) -> Screen:
    """Confirm an application: the claimer is told. Raises Refusal: not the actor's grid, settled already, or no member any more."""
    made, applied = await _locked(context, claim_id)
    active = select(Enrollment.id).where(col(Enrollment.person_id) == applied.person_id, col(Enrollment.state) == "ACTIVE")
    if applied.state == "APPLIED" and (await context.session.scalars(active)).first() is None:
        raise Refusal("post.member_left")
    await move(context, applied, "confirm", confirmed_by=context.actor.id, confirmed_at=context.now)
    shown = await view(context, made)
    await post.to_person(context, applied.person_id, post_confirmed(shown, applied.id))
    return Screen("post.confirm_done", shown.values | {"person": await _name(context, applied)})


async def to_decline(context: Context, claim_id: str) -> PostClaim:
    """The application, when the actor may decline it now. Raises Refusal."""
    _, applied = await _locked(context, claim_id)
    if "grid_leader" not in await relations(context, applied):
        raise Refusal("refused.permission")
    if applied.state != "APPLIED":
        raise Refusal("refused.state", code="", state=Key(f"state.post_claim.{applied.state}"))
    return applied


async def decline(context: Context, claim_id: str, reason: str) -> Screen:
    """Decline an application with a reason that the claimer reads; the place is free again. Raises Refusal."""
    if not reason.strip():
        raise Refusal("post.decline_why")
    made, applied = await _locked(context, claim_id)
    await move(context, applied, "decline", note=reason, reason=reason, ended_at=context.now)
    shown = await _refresh(context, made)
    await post.to_person(context, applied.person_id, Screen("post.declined", shown.values | {"reason": reason}))
    return Screen("post.decline_done", shown.values | {"person": await _name(context, applied)})


async def _name(context: Context, held: PostClaim) -> str:
    person = await context.session.get(Person, held.person_id)
    return person.display_name if person else ""


# -- leaving and ending ---------------------------------------------------------------------------------------------
async def own_claim(context: Context, number: str) -> PostClaim:
    """The actor's claim by the post's number, or by its own id. Raises Refusal."""
    query = select(PostClaim).where(col(PostClaim.person_id) == context.actor.id, col(PostClaim.state).in_(HELD))
    if number.strip().lstrip("#").isdecimal():
        made = await find(context, number)
        query = query.where(col(PostClaim.post_id) == made.id)
    else:
        query = query.where(col(PostClaim.id) == number)
    found = (await context.session.scalars(query)).first()
    if found is None:
        raise Refusal("post.not_yours")
    return found


async def ask_leave(context: Context, number: str) -> Screen:
    """Take an application back at once; for a confirmed post ask once more. Raises Refusal."""
    held = await own_claim(context, number)
    if held.state == "APPLIED":
        return await leave(context, held.id)
    made = await find(context, held.post_id)
    return sure_to_leave(await view(context, made), held.id)


async def leave(context: Context, claim_id: str) -> Screen:
    """Give the post (or the application) up; the place is free again, whoever confirms is told. Raises Refusal: not the actor's."""
    made, held = await _locked(context, claim_id)
    if held.person_id != context.actor.id:
        raise Refusal("post.not_yours")
    event = "take_back" if held.state == "APPLIED" else "end"
    await move(context, held, event, ended_at=context.now)
    shown = await _refresh(context, made)
    if event == "end":
        notice = Screen("post.left_notice", shown.values | {"person": await _name(context, held)})
        for person in await _confirmers(context, made):
            await post.to_person(context, person.id, notice)
    return Screen(f"post.left_{event}", shown.values)


async def close(context: Context, number: str, reason: str) -> Screen:
    """Close a post (撤岗): its claims end and the claimers are told. Raises Refusal: not the actor's grid, or closed already."""
    made = await find(context, number, lock=True)
    if not {"coordinator", "grid_leader"} & await relations(context, made):
        raise Refusal("refused.permission")
    if made.closed_at is not None:
        raise Refusal("post.is_closed", **(await view(context, made)).values)
    told = await _finish(context, made, "post.closed", reason)
    await drop_alarms(context, "end_post_term", made.id)
    return Screen("post.close_done", (await view(context, made)).values | {"told": told or None})


async def end_term(context: Context, post_id: str) -> None:
    """The alarm at the end of a term: every claim ends, the claimers are told, the card says so."""
    made = await find(context, post_id, lock=True)
    if made.closed_at is None and context.now >= end_of(made):
        await _finish(context, made, "post.term_over", "")


async def _finish(context: Context, made: Post, key: str, reason: str) -> int:
    made.closed_at = context.now
    shown = await view(context, made)
    told = 0
    for held in await claims_of(context, made, *HELD):
        await move(
            program(context), held, "decline" if held.state == "APPLIED" else "end", note=reason, reason=reason, ended_at=context.now
        )
        told += await post.to_person(context, held.person_id, Screen(key, shown.values | {"reason": reason})) is not None
    await _refresh(context, made)
    return told
