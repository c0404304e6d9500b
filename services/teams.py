"""Teams of members: setting one up, joining and leaving, who leads it (domain.md §3 Team; kinds are the community's own list)."""

from __future__ import annotations

from sqlmodel import col, select

from models import Enrollment, OutboxMessage, Person, Team, TeamMember
from services import lists, people, post
from services.context import Context, Refusal
from services.hours import pattern
from services.identity import persons_with
from services.post_lines import meant, words
from services.team_rolls import Member, of_team
from services.workdays import local
from texts.actions import Do
from texts.posts_screens import invitation
from texts.screen import Button, Key, Screen, Value, rows, screen
from texts.work_screens import stack

STAFF = ("coordinator", "community_clerk", "community_secretary")
NAME_LENGTH = 20


# -- looking --------------------------------------------------------------------------------------------------------
async def every(context: Context) -> list[Team]:
    """The community's teams that are not dissolved, by name."""
    query = select(Team).where(col(Team.community_id) == context.ground.community_id, col(Team.closed_at).is_(None))
    return list((await context.session.scalars(query.order_by(col(Team.name)))).all())


async def find(context: Context, said: str) -> Team:
    """The team by its name or id. Raises Refusal with the names there are."""
    known = await every(context)
    wanted = people.plain(said)
    found = next((team for team in known if people.plain(team.name) == wanted or team.id == said), None)
    if found is None:
        raise Refusal("team.unknown", known=[team.name for team in known])
    return found


async def _values(context: Context, team: Team) -> dict[str, Value]:
    leader = await context.session.get(Person, team.leader_id) if team.leader_id else None
    known = context.actor.member_state == "ACTIVE" or context.actor.staff
    return {
        "team": team.name, "kind": team.kind if team.kind not in team.name else "", "count": len(await of_team(context, team)),
        "leader": leader.display_name if leader and known else None,
    }  # fmt: skip


async def overview(context: Context) -> Screen:
    """Every team with its kind and size; who leads it, for members and staff. Members may join by button."""
    found = await every(context)
    if not found:
        return screen("team.none")
    lines = stack([Key("team.line", await _values(context, team)) for team in found])
    theirs = {team.id for team in await _mine(context)}
    open_to = [team for team in found if team.id not in theirs] if context.actor.member_state == "ACTIVE" else []
    buttons = rows(Button(Key("team.button.join_this", {"team": team.name}), Do.join_team(team.id)) for team in open_to)
    return Screen("team.list", {"lines": lines}, buttons)


async def _mine(context: Context) -> list[Team]:
    query = select(Team).join(TeamMember, col(TeamMember.team_id) == col(Team.id))
    query = query.where(col(TeamMember.person_id) == context.actor.id, col(TeamMember.left_at).is_(None), col(Team.closed_at).is_(None))
    return list((await context.session.scalars(query.order_by(col(Team.name)))).all())


async def mine(context: Context) -> Screen:
    """The actor's teams; who leads one reads who is in it."""
    found = await _mine(context)
    if not found:
        return screen("team.mine_none")
    lines = []
    for team in found:
        names = [member.person.display_name for member in await of_team(context, team)] if team.leader_id == context.actor.id else []
        lines.append(Key("team.my_line", await _values(context, team) | {"members": names}))
    buttons = rows(Button(Key("team.button.leave", {"team": team.name}), Do.leave_team(team.id)) for team in found)
    return Screen("team.mine", {"lines": stack(lines)}, buttons)


# -- setting up -----------------------------------------------------------------------------------------------------
async def set_up(context: Context, said: str) -> Screen:
    """Set up a team: 急救突击队 突击队 队长 何晚晴. The leader is in it and is told. Raises Refusal with what is missing."""
    if not context.actor.has(*STAFF):
        raise Refusal("refused.only.coordinator")
    found = pattern(words()["team"]["leader"]).search(said)
    kinds = await lists.entries(context, "teams")
    rest = (said[: found.start()] + " " + said[found.end() :] if found else said).split()
    if not rest or found is None:
        raise Refusal("team.how", kinds=kinds)
    name, kind = rest[0][:NAME_LENGTH], meant(kinds, " ".join(reversed(rest)), "team_words")
    if not kind:
        raise Refusal("team.need_kind", team=name, kinds=kinds)
    leader = await _active_named(context, found["leader"])
    query = (
        select(Team).where(col(Team.community_id) == context.ground.community_id, col(Team.name) == name).with_for_update(key_share=True)
    )
    team = (await context.session.scalars(query)).first()
    if team is not None and team.closed_at is None:
        raise Refusal("team.exists", team=name)
    if team is None:
        team = Team(community_id=context.ground.community_id, name=name)
    team.kind, team.leader_id, team.closed_at = kind, leader.id, None
    context.session.add(team)
    await context.session.flush()
    await _enter(context, team, leader.id)
    await post.to_person(context, leader.id, Screen("team.you_lead", await _values(context, team)))
    return Screen("team.set_up", await _values(context, team))


async def _active_named(context: Context, name: str) -> Person:
    person = await people.one_named(context, name)
    enrolled = select(Enrollment.id).where(col(Enrollment.person_id) == person.id, col(Enrollment.state) == "ACTIVE")
    if (await context.session.scalars(enrolled)).first() is None:
        raise Refusal("team.not_active", name=person.display_name)
    return person


async def change_leader(context: Context, said: str, name: str) -> Screen:
    """Give the team another leader. Raises Refusal: neither its leader nor a coordinator, or no ACTIVE member of that name."""
    team = await _managed(context, said)
    leader = await _active_named(context, name)
    team.leader_id = leader.id
    await _enter(context, team, leader.id)
    await post.to_person(context, leader.id, Screen("team.you_lead", await _values(context, team)))
    return Screen("team.led", await _values(context, team))


async def close(context: Context, said: str) -> Screen:
    """Dissolve the team: nobody is in it any more; its members are told. Raises Refusal: no coordinator."""
    if not context.actor.has(*STAFF):
        raise Refusal("refused.only.coordinator")
    team = await find(context, said)
    values = await _values(context, team)
    for member in await of_team(context, team):
        await _exit(context, team, member.person.id)
        await post.to_person(context, member.person.id, Screen("team.dissolved", values))
    team.closed_at = context.now
    return Screen("team.close_done", values)


# -- coming and going -----------------------------------------------------------------------------------------------
async def join(context: Context, said: str) -> Screen:
    """Join the team; its leader is told. Raises Refusal: no ACTIVE member, or in it already."""
    if context.actor.id is None or context.actor.member_state != "ACTIVE":
        raise Refusal("team.members_only")
    team = await find(context, said)
    if not await _enter(context, team, context.actor.id):
        raise Refusal("team.in_already", team=team.name)
    values = await _values(context, team)
    await _tell_leader(context, team, "team.joined_notice")
    return Screen("team.joined", values)


async def leave(context: Context, said: str) -> Screen:
    """Leave the team (without a name: the only one); the leader is told, of a leader who leaves the coordinators. Raises Refusal."""
    own = await _mine(context)
    if not said and len(own) > 1:
        raise Refusal("team.which", known=[team.name for team in own])
    team = await find(context, said) if said else own[0] if own else None
    if team is None or team.id not in {one.id for one in own}:
        raise Refusal("team.not_in")
    await _exit(context, team, str(context.actor.id))
    if team.leader_id == context.actor.id:
        team.leader_id = None
        notice = Screen("team.leaderless", {"team": team.name})
        for person in await persons_with(context, "coordinator", "community_clerk"):
            await post.to_person(context, person.id, notice)
    else:
        await _tell_leader(context, team, "team.left_notice")
    return Screen("team.left", {"team": team.name})


async def invite(context: Context, said: str, name: str) -> Screen:
    """Ask a member to join, once a day: it is the member who decides. Raises Refusal: no right, no ACTIVE member, in it already."""
    team = await _managed(context, said)
    person = await _active_named(context, name)
    if any(member.person.id == person.id for member in await of_team(context, team)):
        raise Refusal("team.is_in", name=person.display_name, team=team.name)
    key = f"team:{team.id}:{person.id}:{local(context.now).date()}"
    if (await context.session.scalars(select(OutboxMessage.id).where(col(OutboxMessage.dedupe_key) == key))).first() is not None:
        raise Refusal("team.asked_already", name=person.display_name)
    values = await _values(context, team) | {"by": context.actor.person.display_name if context.actor.person else ""}
    if await post.to_person(context, person.id, invitation(team.id, values), key=key) is None:
        raise Refusal("team.unreached", name=person.display_name)
    return Screen("team.asked", {"name": person.display_name, "team": team.name})


async def remove(context: Context, said: str, name: str) -> Screen:
    """Take a member out of the team, who is told. Raises Refusal: no right, nobody of that name in it, or its leader."""
    team = await _managed(context, said)
    member = await named_in(context, team, name)
    if member.person.id == team.leader_id:
        raise Refusal("team.leader_stays", team=team.name)
    await _exit(context, team, member.person.id)
    await post.to_person(context, member.person.id, Screen("team.removed", {"team": team.name}))
    return Screen("team.remove_done", {"team": team.name, "name": member.person.display_name})


async def named_in(context: Context, team: Team, name: str) -> Member:
    """The member of the team with this name or code. Raises Refusal: nobody, or several."""
    wanted, members = people.plain(name), await of_team(context, team)
    found = [one for one in members if wanted in (people.plain(one.person.display_name), people.plain(one.person.code or ""))]
    if len(found) != 1:
        raise Refusal("team.nobody_named", name=name, team=team.name)
    return found[0]


async def _managed(context: Context, said: str) -> Team:
    team = await find(context, said)
    leads = team.leader_id == context.actor.id and context.actor.member_state == "ACTIVE"
    if not leads and not context.actor.has(*STAFF):
        raise Refusal("team.not_leader", team=team.name)
    return team


async def _enter(context: Context, team: Team, person_id: str) -> bool:
    """Put a person into the team; whether they were not in it."""
    row = await context.session.get(TeamMember, (team.id, person_id))
    if row is None:
        context.session.add(TeamMember(team_id=team.id, person_id=person_id, joined_at=context.now))
    elif row.left_at is None:
        return False
    else:
        row.joined_at, row.left_at = context.now, None
    await context.session.flush()
    return True


async def _exit(context: Context, team: Team, person_id: str) -> None:
    row = await context.session.get(TeamMember, (team.id, person_id))
    if row is not None:
        row.left_at = context.now
    await context.session.flush()


async def _tell_leader(context: Context, team: Team, key: str) -> None:
    if team.leader_id and team.leader_id != context.actor.id:
        values = {"team": team.name, "name": context.actor.person.display_name if context.actor.person else ""}
        await post.to_person(context, team.leader_id, Screen(key, values))
