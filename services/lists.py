"""What a community chooses for itself: kinds of enrolment and of members, teams, services, posts, units (domain.md §3, Community.config).

`entries` gives the words (of the two lists with codes: the codes); where nothing was chosen the first preset of texts/membership.toml
holds.
"""

from __future__ import annotations

from typing import Any

from models import Community
from services.context import Context, Refusal
from texts.membership import codes, data
from texts.screen import Key, Screen, Value, screen
from texts.work_screens import stack

NAMES = tuple(data()["lists"])
CODED = {"enrolments": "enrolment.kind", "members": "member.kind"}
MOST, LONGEST = 20, 12


async def community(context: Context) -> Community:
    """The community's row."""
    found = await context.session.get(Community, context.ground.community_id)
    if found is None:
        raise LookupError("the community of the ground is not in the database")
    return found


async def entries(context: Context, name: str) -> tuple[str, ...]:
    """The entries of the list `name` (one of NAMES), in the community's order: words, or codes for enrolments and members."""
    chosen = (await community(context)).config.get("lists", {}).get(name)
    return tuple(_default()[name] if chosen is None else chosen)


async def options(context: Context, name: str) -> tuple[tuple[str, Value], ...]:
    """(entry, how it is shown) of a list."""
    renamed = (await community(context)).config.get("words", {}).get(name, {})
    return tuple((entry, _shown(name, entry, renamed)) for entry in await entries(context, name))


async def word(context: Context, name: str, entry: str) -> Value:
    """How an entry is shown, whether or not it is (still) in the list."""
    return _shown(name, entry, (await community(context)).config.get("words", {}).get(name, {}))


def _shown(name: str, entry: str, renamed: dict[str, str]) -> Value:
    if name not in CODED or entry in renamed:
        return renamed.get(entry, entry)
    return Key(f"{CODED[name]}.{entry}")


def _default() -> dict[str, list[str]]:
    presets: dict[str, dict[str, list[str]]] = data()["presets"]
    return next(iter(presets.values()))


def list_called(said: str) -> str | None:
    """The list that is called so by chat."""
    return next((name for name, words in data()["lists"].items() if said in words), None)


# -- looking and changing by chat -----------------------------------------------------------------------------------
async def show(context: Context, said: str = "") -> Screen:
    """The list of this name, or all of them. Raises Refusal: no coordinator, no such list."""
    _require(context)
    if not said:
        return screen("lists.all", lines=stack([await _line(context, name) for name in NAMES]), presets=tuple(data()["presets"]))
    return screen("lists.one", line=await _line(context, _named(said)), name=said)


async def change(context: Context, said: str, verb: str, entry: str, renamed: str = "") -> Screen:
    """Add, remove or rename an entry of a list. `verb`: add, remove or rename. Raises Refusal."""
    _require(context)
    name, entry = _named(said), entry.strip()
    chosen = list(await entries(context, name))
    code = await _entry(context, name, entry)
    if verb == "add":
        if code is None and name in CODED:
            raise Refusal("lists.known_only", known=tuple(Key(f"{CODED[name]}.{one}") for one in dict.fromkeys(codes(name).values())))
        if len(entry) > LONGEST or len(chosen) >= MOST:
            raise Refusal("lists.too_much", most=MOST, longest=LONGEST)
        if (code or entry) not in chosen:
            chosen.append(code or entry)
    elif code is None or code not in chosen:
        raise Refusal("lists.no_entry", entry=entry, known=tuple(shown for _, shown in await options(context, name)))
    elif verb == "remove":
        if len(chosen) == 1:
            raise Refusal("lists.last_one")
        chosen.remove(code)
    else:
        return await _rename(context, name, code, renamed.strip(), chosen, said)
    await _keep(context, "lists", name, chosen)
    return await show(context, said)


async def use_preset(context: Context, said: str) -> Screen:
    """Take the lists of a preset. Raises Refusal: no coordinator, no such preset."""
    _require(context)
    preset = data()["presets"].get(said.strip())
    if preset is None:
        raise Refusal("lists.no_preset", known=tuple(data()["presets"]))
    for name, chosen in preset.items():
        await _keep(context, "lists", name, list(chosen))
    return await show(context)


async def _rename(context: Context, name: str, code: str, renamed: str, chosen: list[str], said: str) -> Screen:
    if not renamed or len(renamed) > LONGEST:
        raise Refusal("lists.too_much", most=MOST, longest=LONGEST)
    if name in CODED:
        words: dict[str, str] = dict((await community(context)).config.get("words", {}).get(name, {}))
        await _keep(context, "words", name, words | {code: renamed})
    else:
        await _keep(context, "lists", name, [renamed if entry == code else entry for entry in chosen])
    return await show(context, said)


async def _entry(context: Context, name: str, said: str) -> str | None:
    """The entry that is shown or called so; None when a list with codes knows none, or a word is not in its list."""
    if name not in CODED:
        return said if said in await entries(context, name) else None
    renamed = (await community(context)).config.get("words", {}).get(name, {})
    by_name = {shown: code for code, shown in renamed.items()}
    found: str | None = by_name.get(said) or codes(name).get(said)
    return found


async def _keep(context: Context, part: str, name: str, value: Any) -> None:
    """Write one part of the configuration: a fresh mapping, or the change would not be seen."""
    row = await community(context)
    row.config = {**row.config, part: {**row.config.get(part, {}), name: value}}


def _require(context: Context) -> None:
    if not context.actor.has("coordinator", "community_clerk", "community_secretary", "admin"):
        raise Refusal("refused.only.coordinator")


def _named(said: str) -> str:
    name = list_called(said.strip())
    if name is None:
        raise Refusal("lists.no_list", known=tuple(words[0] for words in data()["lists"].values()))
    return name


async def _line(context: Context, name: str) -> Key:
    return Key("lists.line", {"name": data()["lists"][name][0], "entries": tuple(shown for _, shown in await options(context, name))})
