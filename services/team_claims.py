"""A team claims together: the leader takes places for members who can come, each a claim of its own (domain.md §5 Task/Claim).

The rules are those of a single claim: ACTIVE, the skill, not double-booked, within the task's places while its row is held.
"""

from __future__ import annotations

from dataclasses import dataclass

from models import Task, Team
from services import audit, claims, people, post, tasks, team_rolls
from services.context import Context, Refusal
from services.hours import pattern
from services.post_lines import words
from services.tasks import HELD
from services.team_rolls import Member
from texts.posts_screens import team_claim_ask
from texts.screen import Key, Screen, Value
from texts.work_screens import stack


@dataclass(frozen=True, slots=True)
class Wanted:
    """What 带队接单 said besides the task: the team, how many (None: not said), and whom by name."""

    team: Team
    people: int | None
    names: tuple[str, ...] = ()


async def read(context: Context, said: str) -> Wanted:
    """The team that was named, or the only one that the actor leads, and how many or who. Raises Refusal: leads none, or several."""
    led = await team_rolls.led(context)
    if not led:
        raise Refusal("team.leads_none")
    count = None
    if found := pattern(words()["team"]["people"]).search(said):
        count, said = int(found["people"]), f"{said[: found.start()]} {said[found.end() :]}"
    pieces = said.replace(",", " ").replace("、", " ").split()
    by_name = {people.plain(team.name): team for team in led}
    named = [piece for piece in pieces if people.plain(piece) in by_name]
    if not named and len(led) > 1:
        raise Refusal("team.which", known=[team.name for team in led])
    team = by_name[people.plain(named[0])] if named else led[0]
    return Wanted(team, count, tuple(piece for piece in pieces if piece not in named))


async def _led(context: Context, team_id: str) -> Team:
    team = next((one for one in await team_rolls.led(context) if one.id == team_id), None)
    if team is None:
        raise Refusal("team.leads_none")
    return team


async def ask(context: Context, number: str, team_id: str) -> Screen:
    """Who of the team could come, who could not and why, and a button for each number of people. Raises Refusal."""
    team, task = await _led(context, team_id), await tasks.find(context, number)
    claims.check_time(context, task)
    fit, unfit = [], []
    for member in await team_rolls.of_team(context, team):
        reason = await _reason(context, task, member)
        audit.looked(context, member.person.id, "member", f"task:{task.id}")
        fit += [member.person.display_name] if reason is None else []
        unfit += [_line(member.person.display_name, reason)] if reason else []
    places = max(0, task.capacity - len(await tasks.claims_of(context, task, *HELD)))
    return team_claim_ask(await tasks.view(context, task), team.id, team.name, fit, unfit, places)


def _line(name: str, reason: Key) -> Key:
    return Key("team.unfit", {"name": name, "why": reason})


async def _reason(context: Context, task: Task, member: Member) -> Key | None:
    """Why this member cannot be taken along; None for one who can. Never a fact about health: who is spared comes by own wish."""
    if member.state != "ACTIVE":
        return Key("team.not.member")
    if await claims.has_claimed(context, task, member.actor):
        return Key("team.not.already")
    if member.spared and member.person.id != context.actor.id:
        return Key("team.not.own_wish")
    try:
        await claims.check_claimer(context, task, member.actor)
    except Refusal as refused:
        return Key("team.not.busy" if refused.key == "claim.busy" else "team.not.skill")
    return None


async def claim(context: Context, number: str, team_id: str, count: int | None, names: tuple[str, ...] = ()) -> Screen:
    """Take places for the named members, or for the first `count` who can come; what the leader alone is told.

    Each one taken is told in private and may leave by 退单 as ever. Raises Refusal: no leader of this team, the task is over or begun,
    or nobody could be taken.
    """
    team = await _led(context, team_id)
    members = await team_rolls.of_team(context, team)
    await claims.hold_persons(context, [member.person.id for member in members])
    task = await tasks.find(context, number, lock=True)
    claims.check_time(context, task)
    chosen, unfit = _chosen(members, names)
    free = max(0, task.capacity - len(await tasks.claims_of(context, task, *HELD)))
    wanted = len(chosen) if names or count is None else count
    taken: list[Member] = []
    for member in chosen:
        if len(taken) >= wanted:
            break
        reason = await _reason(context, task, member) or (Key("team.not.full") if len(taken) >= free else None)
        if reason is not None:
            unfit.append(_line(member.person.display_name, reason))
            continue
        await claims.take_for(context, task, member.actor)
        taken.append(member)
    if not taken:
        raise Refusal("team.claim_none", number=task.short_no, team=team.name, unfit=stack(unfit))
    await claims.settle(context, task)
    shown = await tasks.view(context, task)
    if shown.taken == len(taken):
        await claims.tell_resident(context, task, "order.claimed")
    for member in taken:
        await _tell(context, task, team, member)
    values: dict[str, Value] = {
        "team": team.name,
        "people": len(taken),
        "names": [member.person.display_name for member in taken],
        "unfit": stack(unfit),
    }
    return Screen("team.claim_done", shown.values | values)


def _chosen(members: list[Member], names: tuple[str, ...]) -> tuple[list[Member], list[Key]]:
    """The members to try in their order, and a line for each name that is not one of them."""
    if not names:
        return list(members), []
    known = {people.plain(member.person.display_name): member for member in members}
    known |= {people.plain(member.person.code): member for member in members if member.person.code}
    chosen = list(dict.fromkeys(people.plain(name) for name in names))
    unknown = [_line(name, Key("team.not.in_team")) for name in names if people.plain(name) not in known]
    return [known[name] for name in chosen if name in known], unknown


async def _tell(context: Context, task: Task, team: Team, member: Member) -> None:
    """Tell one who was taken along: what a claimer is told, and who claimed for them."""
    receipt = await claims.receipt_for(context, task, member.actor)
    by = context.actor.person.display_name if context.actor.person else ""
    values: dict[str, Value] = {"by": by, "team": team.name, "receipt": Key(receipt.key, receipt.values)}
    own = member.person.id == context.actor.id
    screen = receipt if own else Screen("team.taken_along", values, receipt.buttons)
    await post.to_person(context, member.person.id, screen, subject=tasks.card_of(task))
