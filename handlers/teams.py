"""Teams of members, and a team that claims together; tasks that are offered in private.

coordinator: 建队 急救突击队 突击队 队长 何晚晴            bot: it stands, the leader knows
member: 队伍, 入队 急救突击队, 我的队伍, 退队              bot: in, out; the leader is told
leader: 加队员 急救突击队 周亦安                          bot: asks the member: [同意入队] [不了]
leader: 带队接单 31 [队名] [3人] [姓名…], [带队接单]        bot: who was taken, who not and why, to the leader alone
member: 不再推荐 / 恢复推荐                              bot: no task in private any more / again
"""

from __future__ import annotations

from bot.events import Do, Press, Text
from bot.router import Phrase, Reply, Router, Say, Silence, Toast
from services import claims, offers, team_claims, teams
from services.attempts import attempt
from services.context import Context, Refusal
from texts.screen import Button, Screen, screen
from texts.work_screens import entry

router = Router("teams")
MOST_DIGITS = 3  # as in the sentence (texts/utterances.toml, people)


# -- the teams
@router.message(Phrase("set_up_team"))
async def set_up(message: Text, context: Context, line: str) -> Reply:
    return Say(await teams.set_up(context, line))


@router.message(Phrase("teams"))
async def list_all(message: Text, context: Context) -> Reply:
    return Say(await teams.overview(context))


@router.press(Do.teams, where="private")
async def list_all_pressed(press: Press, context: Context) -> Reply:
    return Say(await teams.overview(context))


@router.message(Phrase("my_teams"))
async def list_mine(message: Text, context: Context) -> Reply:
    return Say(await teams.mine(context))


@router.message(Phrase("join_team"))
async def join(message: Text, context: Context, team: str) -> Reply:
    return Say(await teams.join(context, team))


@router.press(Do.join_team, where="private")
async def join_pressed(press: Press, context: Context, team: str) -> Reply:
    return Say(await teams.join(context, team), clear=True)


@router.press(Do.refuse_team, where="private")
async def stay_out(press: Press, context: Context, team: str) -> Reply:
    return Say(screen("team.refused"), clear=True)


@router.message(Phrase("leave_team"))
async def leave(message: Text, context: Context, team: str) -> Reply:
    return Say(await teams.leave(context, team))


@router.press(Do.leave_team, where="private")
async def leave_pressed(press: Press, context: Context, team: str) -> Reply:
    return Say(await teams.leave(context, team), clear=True)


@router.message(Phrase("add_to_team"))
async def invite(message: Text, context: Context, team: str, name: str) -> Reply:
    return Say(await teams.invite(context, team, name))


@router.message(Phrase("remove_from_team"))
async def remove(message: Text, context: Context, team: str, name: str) -> Reply:
    return Say(await teams.remove(context, team, name))


@router.message(Phrase("change_leader"))
async def change_leader(message: Text, context: Context, team: str, name: str) -> Reply:
    return Say(await teams.change_leader(context, team, name))


@router.message(Phrase("close_team"))
async def dissolve(message: Text, context: Context, team: str) -> Reply:
    return Say(await teams.close(context, team))


# -- claiming together
async def _claim(context: Context, task: str, said: str) -> Screen:
    """Claim for as many, or whom, the sentence says; else ask how many."""
    wanted = await team_claims.read(context, said)
    if wanted.people is None and not wanted.names:
        return await team_claims.ask(context, task, wanted.team.id)
    return await team_claims.claim(context, task, wanted.team.id, wanted.people, wanted.names)


@router.message(Phrase("team_claim"), where="private")
async def claim_together(message: Text, context: Context, task: str, line: str) -> Reply:
    return Say(await _claim(context, task, line))


@router.message(Phrase("team_claim"), where="group")
async def claim_together_in_group(message: Text, context: Context, task: str, line: str) -> Reply:
    """In a group only the card changes: the answer, also a no, names people and goes to the leader alone."""
    done = await attempt(context, _claim(context, task, line))
    answer = Screen(done.key, done.values) if isinstance(done, Refusal) else done
    if await claims.whisper(context, answer):
        return Silence()
    return Say(screen("claim.group.open", [Button("button.private_chat", start=entry(task))], number=task))


@router.press(Do.team_claim_ask, where="private")
async def ask_how_many(press: Press, context: Context, task: str, team: str) -> Reply:
    return Say(await team_claims.ask(context, task, team))


@router.press(Do.team_claim, where="private")
async def claim_for_so_many(press: Press, context: Context, task: str, team: str, people: str) -> Reply:
    if not (people.isascii() and people.isdecimal() and len(people) <= MOST_DIGITS):
        return Toast(screen("button.unknown"))
    return Say(await team_claims.claim(context, task, team, int(people)), clear=True)


# -- private offers
@router.message(Phrase("stop_offers"))
async def stop_offers(message: Text, context: Context) -> Reply:
    return Say(await offers.choose(context, wanted=False))


@router.press(Do.stop_offers, where="private")
async def stop_offers_pressed(press: Press, context: Context) -> Reply:
    return Say(await offers.choose(context, wanted=False))


@router.message(Phrase("resume_offers"))
async def resume_offers(message: Text, context: Context) -> Reply:
    return Say(await offers.choose(context, wanted=True))


@router.press(Do.resume_offers, where="private")
async def resume_offers_pressed(press: Press, context: Context) -> Reply:
    return Say(await offers.choose(context, wanted=True))
