"""Posts (认岗领责): who sets one up, who takes one on, who confirms.

staff: 设岗 楼道长 青禾苑9幢 2人 2026年12月1日到2027年11月30日 职责：…   bot: its number, a card in the party group; else what is missing
member: 岗位, [认岗], 认岗 3                                            bot: with the grid leader; told when it is confirmed
grid leader: [确认] [不通过]                                           bot: why not? the member is told
member: 我的岗位, [卸岗]              staff: 撤岗 3 原因               bot: free again; everybody concerned is told
"""

from __future__ import annotations

from typing import Any

from bot.events import Do, Press, Text
from bot.router import Ask, End, F, Phrase, Reply, Router, Say, State, Steps, Toast
from services import posts
from services.context import Context
from services.drafts import keep, kept
from services.post_lines import PostLine
from texts.screen import Button, Key, screen
from texts.utterances import recognise
from texts.work_screens import stack

router = Router("posts")
SET_UP, DECLINE = "post", "decline_post"
ANSWER = F.text.func(lambda said: recognise(said) is None)


class SetUp(Steps):
    """What is still missing in a 设岗 line."""

    post = State()


class Declining(Steps):
    """Why an application is declined."""

    reason = State()


# -- setting up
async def set_up_or_ask(context: Context, said: str, known: dict[str, Any]) -> Reply:
    """Set the post up, or keep what is known and ask for exactly what is missing."""
    line, missing = await posts.read(context, said, PostLine.from_data(known) if known else PostLine())
    if missing:
        keep(context, SET_UP, line=line.to_data())
        so_far = Key("post.known", line.values) if any(line.values.values()) else None
        return Ask(SetUp.post, screen("post.missing", missing=stack(missing), known=so_far))
    shown = await posts.set_up(context, line)
    return End(screen("post.done", **shown.values))


@router.message(Phrase("set_up_post"), to=SetUp.post)
async def set_up(message: Text, context: Context, line: str) -> Reply:
    return await set_up_or_ask(context, line, {})


@router.message(SetUp.post, ANSWER, to=SetUp.post)
async def take_line(message: Text, context: Context) -> Reply:
    return await set_up_or_ask(context, message.text, kept(context, SET_UP).get("line", {}))


# -- looking
@router.message(Phrase("posts"))
async def list_open(message: Text, context: Context) -> Reply:
    return Say(await posts.open_posts(context))


@router.press(Do.posts, where="private")
async def list_open_pressed(press: Press, context: Context) -> Reply:
    return Say(await posts.open_posts(context))


@router.message(Phrase("my_posts"))
async def list_mine(message: Text, context: Context) -> Reply:
    return Say(await posts.mine(context))


@router.press(Do.my_posts, where="private")
async def list_mine_pressed(press: Press, context: Context) -> Reply:
    return Say(await posts.mine(context))


# -- claiming
@router.message(Phrase("claim_post"))
async def apply(message: Text, context: Context, post: str) -> Reply:
    return Say((await posts.claim(context, post)).sheet)


@router.press(Do.claim_post, where="any")
async def apply_pressed(press: Press, context: Context, post: str) -> Reply:
    applied = await posts.claim(context, post)
    if context.private:
        return Say(applied.sheet)
    link = [] if applied.told else [Button("button.private_chat", start="hello")]
    return Toast(screen("post.group.applied", link, **applied.view.values))


@router.press(Do.confirm_post, where="private")
async def confirm(press: Press, context: Context, claim: str) -> Reply:
    return Say(await posts.confirm(context, claim), clear=True)


@router.press(Do.decline_post, to=Declining.reason, where="private")
async def ask_why(press: Press, context: Context, claim: str) -> Reply:
    await posts.to_decline(context, claim)
    keep(context, DECLINE, claim=claim)
    return Ask(Declining.reason, screen("post.decline_why"))


@router.message(Declining.reason, ANSWER)
async def decline(message: Text, context: Context) -> Reply:
    return End(await posts.decline(context, kept(context, DECLINE).get("claim", ""), message.text))


# -- leaving and closing
@router.message(Phrase("leave_post"))
async def ask_leave(message: Text, context: Context, post: str) -> Reply:
    return Say(await posts.ask_leave(context, post) if post else await posts.mine(context))


@router.press(Do.leave_post, where="private")
async def ask_leave_pressed(press: Press, context: Context, claim: str) -> Reply:
    return Say(await posts.ask_leave(context, claim), clear=True)


@router.press(Do.confirm_leave_post, where="private")
async def leave(press: Press, context: Context, claim: str) -> Reply:
    return Say(await posts.leave(context, claim), clear=True)


@router.message(Phrase("close_post"))
async def close(message: Text, context: Context, post: str, reason: str) -> Reply:
    return Say(await posts.close(context, post, reason))
