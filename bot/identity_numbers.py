"""An identity number was cut out at the door (bot.inbox): the rest is heard as usual, and the person is told in private."""

from __future__ import annotations

import dataclasses

from bot.events import Edited, Event, Photo, Text
from bot.router import Reply
from services import post
from services.context import Context
from services.masking import without_cuts
from texts.screen import Key, Screen, screen

FORMS = ("enrolment:", "unitenrolment:")


def lifted(event: Event) -> tuple[Event, bool]:
    """The event without the place where a number was, and whether there was one."""
    if isinstance(event, Text):
        said, cut = without_cuts(event.text)
        return (dataclasses.replace(event, text=said), True) if cut else (event, False)
    if isinstance(event, Photo) or hasattr(event, "caption"):
        said, cut = without_cuts(event.caption)  # type: ignore[attr-defined,unused-ignore]
        return (dataclasses.replace(event, caption=said), True) if cut else (event, False)  # type: ignore[call-arg,unused-ignore]
    return event, False


def only_that(event: Event, step: str) -> bool:
    """Whether nothing else was said that anybody waits for: the forms of 双报到 ask their question again."""
    return isinstance(event, Text) and not event.text and (isinstance(event, Edited) or not step.startswith(FORMS))


async def told(context: Context, reply: Reply | None) -> Reply:
    """The reply with the word about the number before it; of a number in a group the person is told in private."""
    reply = reply or Reply(quiet=True)
    if not context.private:
        await post.to_person(context, context.actor.id, screen("identity.refused", said=None), answer=True)
        return reply
    if reply.screen is None:
        return dataclasses.replace(reply, screen=screen("identity.refused", said=None), quiet=False)
    said = reply.screen
    shown = Screen("identity.refused", {"said": Key(said.key, said.values)}, said.buttons, said.media, said.ask_location)
    return dataclasses.replace(reply, screen=shown)
