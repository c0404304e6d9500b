"""The group chats: greeting one, binding it to its purpose, leaving, and the few words of help said there.

(the bot is added)         bot: who I am, and how to bind this chat
coordinator: 绑定 党员群    bot: bound; said in private it is pointed to the group
"""

from __future__ import annotations

from bot.events import Joined, Left, Text
from bot.router import Phrase, Reply, Router, Say, Silence
from services import Context, Refusal, identity
from texts import menu_screens
from texts.screen import screen

router = Router("groups")


@router.message(Phrase("help"), where="group")
async def help_in_group(message: Text, context: Context) -> Reply:
    return Say(menu_screens.help_in_group())


@router.joined()
async def greet(joined: Joined, context: Context) -> Reply:
    identity.entered(context)
    return Silence() if context.private else Say(screen("group.greeting"))


@router.left()
async def leave(left: Left, context: Context) -> Reply:
    await identity.left(context)
    return Silence()


@router.message(Phrase("bind"), where="group")
async def bind_group(message: Text, context: Context, purpose: str) -> Reply:
    await identity.bind(context, purpose)
    return Say(screen("group.bound", purpose=purpose))


@router.message(Phrase("bind"))
async def bind_in_private(message: Text, context: Context, purpose: str) -> Reply:
    raise Refusal("group.bind_there", purpose=purpose)
