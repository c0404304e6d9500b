"""One-time links that make an account somebody's.

office, grid leader: 邀请 何晚晴        bot: the link to hand over; of several of one name: which one?
office: 邀请 全部党员                  bot: a sheet of links for all who are not bound yet
whoever opens the link                bot: where a telephone is on record, give it (three tries); then: bound
"""

from __future__ import annotations

from bot.events import Do, Press, Scan, Text
from bot.router import Ask, End, F, Phrase, Reply, Router, Say, State, Steps
from services import Context, invitations, setup
from services.invitations import PREFIX
from texts.answers import meaning
from texts.screen import screen
from texts.utterances import recognise

router = Router("invitations")
# A telephone number means nothing by itself in the grammar: whoever asks for help, or cancels, gets that instead.
ANSWER = F.text.func(lambda said: recognise(said) is None)


class Link(Steps):
    """Opening a link."""

    phone = State()


@router.scan(lambda event, data: event.payload.startswith(PREFIX), to=Link.phone)
async def bind_account(scan: Scan, context: Context) -> Reply:
    person = await invitations.open_link(context, scan.payload.removeprefix(PREFIX))
    return End(await invitations.welcome(context, person)) if person else Ask(Link.phone, screen("link.give_phone"))


@router.message(Link.phone, ANSWER, to=Link.phone)
async def take_phone(message: Text, context: Context) -> Reply:
    tried = await invitations.give_phone(context, message.text)
    if tried.person is not None:
        return End(await invitations.welcome(context, tried.person))
    if not tried.said:
        return Ask(Link.phone, screen("link.give_phone"))
    return End(screen("link.invalid")) if tried.over else Ask(Link.phone, screen("link.wrong_phone"))


@router.message(Phrase("invite_all"))
async def invite_all(message: Text, context: Context, whom: str) -> Reply:
    made = await invitations.invite_all(context, meaning("invited", whom) or "members")
    return Say(await setup.invitation_list(context, made))


@router.message(Phrase("invite"))
async def invite(message: Text, context: Context, name: str) -> Reply:
    return Say(await invitations.invite_named(context, name))


@router.press(Do.invite, where="private")
async def invite_chosen(press: Press, context: Context, person: str) -> Reply:
    return Say(await invitations.invite_chosen(context, person))


@router.message(Phrase("invite_help"))
async def explain_inviting(message: Text, context: Context) -> Reply:
    return Say(screen("invite.how"))
