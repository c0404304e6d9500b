"""An aiogram-style router: decorators, filters, dialog steps, middlewares, nested routers, injection by name.

A handler is `async def ask_where(message: Text, context: Context, …) -> Reply`; further parameters are filled by name from its
filters (slots of a Phrase, arguments of an Action). A wrong name, a step nobody leads to, or a handler that an earlier one hides
fails when the routers are assembled, at import.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from magic_filter import F, MagicFilter

from bot.events import Document, Edited, Event, Joined, Left, Location, Photo, Press, Scan, Sticker, Text, Voice
from services.context import Context
from texts.actions import Action
from texts.screen import Screen
from texts.utterances import intents, normalise

__all__ = [
    "KEEP",
    "Ask",
    "End",
    "F",
    "Phrase",
    "Reply",
    "Router",
    "RouterError",
    "Say",
    "Silence",
    "State",
    "Steps",
    "Toast",
]  # fmt: skip


class RouterError(Exception):
    """The routers do not fit together; said at import, with the handler's name."""


class State:
    """One step of a dialog, such as `report:what`."""

    def __init__(self) -> None:
        self.name = ""

    def __set_name__(self, owner: type[Steps], name: str) -> None:
        self.name = f"{owner.__name__.lower()}:{name}"

    def __repr__(self) -> str:
        return self.name


class Steps:
    """A dialog's steps: `class Report(Steps): what = State()`."""

    all: ClassVar[dict[str, State]] = {}

    def __init_subclass__(cls) -> None:
        for value in vars(cls).values():
            if isinstance(value, State):
                Steps.all[value.name] = value


KEEP = State()
"""The step stays as it is."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler returns. `screen`: what to say (None: nothing). `step`: where the dialog goes (KEEP, None = over).

    `edit`: change the pressed message instead of sending a new one. `clear`: take the buttons off the pressed message.
    `toast`: the short answer to a press. `card`, `subject`: see OutboxMessage. `quiet`: answering nothing is meant.
    """

    screen: Screen | None = None
    step: State | None = KEEP
    edit: bool = False
    clear: bool = False
    toast: Screen | None = None
    card: str = ""
    subject: str = ""
    quiet: bool = False


def Ask(step: State, screen: Screen, **options: Any) -> Reply:  # noqa: N802
    """Say `screen` and wait at `step`."""
    return Reply(screen, step, **options)


def Say(screen: Screen, **options: Any) -> Reply:  # noqa: N802
    """Say `screen`; the dialog stays where it is."""
    return Reply(screen, KEEP, **options)


def End(screen: Screen | None = None, **options: Any) -> Reply:  # noqa: N802
    """Say `screen`; the dialog is over and its step forgotten (the draft is deleted unless the handler keeps it)."""
    return Reply(screen, None, **options)


def Toast(screen: Screen, **options: Any) -> Reply:  # noqa: N802
    """Answer a press with a short line and nothing else."""
    return Reply(None, KEEP, toast=screen, **options)


def Silence() -> Reply:  # noqa: N802
    """Say nothing: the event was not for us."""
    return Reply(quiet=True)


@dataclass(frozen=True, slots=True)
class Phrase:
    """A filter: the text is this intent of texts/utterances.toml; its slots are injected by name.

    `loose`: everyday words, which are heard in their router's turn and not before every dialog: a reply, or words that are awaited in a
    router above, come first.
    """

    intent: str
    loose: bool = False

    @property
    def provides(self) -> frozenset[str]:
        return intents()[self.intent].slots

    def __call__(self, event: Event, said: str) -> dict[str, str] | None:
        return intents()[self.intent].match(said) if type(event) is Text else None


Handler = Callable[..., Awaitable[Reply]]
Middleware = Callable[[Callable[[Event, dict[str, Any]], Awaitable[Reply | None]], Event, dict[str, Any]], Awaitable[Reply | None]]
Filter = MagicFilter | Phrase | Action | State | Callable[..., Any]


@dataclass(frozen=True)
class Route:
    """One registered handler."""

    event: type[Event]
    filters: tuple[Filter, ...]
    where: str
    to: tuple[State, ...]
    handler: Handler
    router: str
    names: tuple[str, ...] = field(default=())

    @property
    def label(self) -> str:
        return f"{self.router}.{self.handler.__name__}"

    @property
    def spoken(self) -> bool:
        """Whether the handler waits for a sentence of the grammar."""
        return any(isinstance(condition, Phrase) and not condition.loose for condition in self.filters)

    @property
    def steps(self) -> tuple[State, ...]:
        return tuple(f for f in self.filters if isinstance(f, State))

    def signature(self) -> tuple[Any, ...]:
        return (self.event, self.where, tuple(map(str, (f if not isinstance(f, Phrase) else f.intent for f in self.filters))))


class Router:
    """A set of handlers, tried in the order they are written; routers nest by `include`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.routes: list[Route] = []
        self.children: list[Router] = []
        self.middlewares: list[Middleware] = []

    # -- decorators -------------------------------------------------------------------------------------------
    def on(
        self, event: type[Event], *filters: Filter, to: State | Iterable[State] = (), where: str = "private"
    ) -> Callable[[Handler], Handler]:
        """Register a handler for an event type. `where`: private, group or any. `to`: the steps its reply may lead to."""
        targets = (to,) if isinstance(to, State) else tuple(to)

        def register(handler: Handler) -> Handler:
            provided = {"context", "step", *(n for f in filters for n in _provides(f))}
            names = tuple(inspect.signature(handler).parameters)[1:]
            if unknown := [name for name in names if name not in provided]:
                raise RouterError(f"{self.name}.{handler.__name__}: nothing provides {unknown}; its filters give {sorted(provided)}")
            self.routes.append(Route(event, filters, where, targets, handler, self.name, names))
            return handler

        return register

    def message(self, *filters: Filter, **options: Any) -> Callable[[Handler], Handler]:
        """A written message."""
        return self.on(Text, *filters, **options)

    def edited(self, *filters: Filter, **options: Any) -> Callable[[Handler], Handler]:
        """A changed message."""
        return self.on(Edited, *filters, **options)

    def photo(self, *filters: Filter, **options: Any) -> Callable[[Handler], Handler]:
        """A photo."""
        return self.on(Photo, *filters, **options)

    def voice(self, *filters: Filter, **options: Any) -> Callable[[Handler], Handler]:
        """A recorded message."""
        return self.on(Voice, *filters, **options)

    def document(self, *filters: Filter, **options: Any) -> Callable[[Handler], Handler]:
        """A file that is no photo and no recording."""
        return self.on(Document, *filters, **options)

    def location(self, *filters: Filter, **options: Any) -> Callable[[Handler], Handler]:
        """A shared location."""
        return self.on(Location, *filters, **options)

    def sticker(self, *filters: Filter, **options: Any) -> Callable[[Handler], Handler]:
        """A message without words."""
        return self.on(Sticker, *filters, **options)

    def press(self, *filters: Filter, **options: Any) -> Callable[[Handler], Handler]:
        """A button; by default only in a private chat: what may be pressed in a group says so, for its data can be sent from anywhere."""
        return self.on(Press, *filters, **options)

    def scan(self, *filters: Filter, **options: Any) -> Callable[[Handler], Handler]:
        """A deep link."""
        return self.on(Scan, *filters, **options)

    def joined(self, *filters: Filter, **options: Any) -> Callable[[Handler], Handler]:
        """The bot came into a chat."""
        return self.on(Joined, *filters, **({"where": "any"} | options))

    def left(self, *filters: Filter, **options: Any) -> Callable[[Handler], Handler]:
        """The bot was put out of a chat."""
        return self.on(Left, *filters, **({"where": "any"} | options))

    def include(self, *routers: Router) -> None:
        """Try these routers after this one's own handlers."""
        self.children += routers

    def middleware(self, wrapper: Middleware) -> Middleware:
        """Wrap every handler of this router and its children: `async def wrapper(next, event, data)`."""
        self.middlewares.append(wrapper)
        return wrapper

    # -- reading and checking ---------------------------------------------------------------------------------
    def walk(self) -> Iterator[Route]:
        """Every route, in the order it is tried."""
        yield from self.routes
        for child in self.children:
            yield from child.walk()

    def _scoped(self, guards: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Route]]:
        """Every route with the routers around it whose middlewares may keep an event from it."""
        inside = (*guards, self.name) if self.middlewares else guards
        for route in self.routes:
            yield inside, route
        for child in self.children:
            yield from child._scoped(inside)

    def check(self) -> None:
        """Raises RouterError for an unreachable handler, or a step that no handler leads to or none waits at."""
        seen: dict[tuple[Any, ...], list[tuple[tuple[str, ...], Route]]] = {}
        for guards, route in self._scoped(()):
            for hiding in {route.signature(), (route.event, route.where, ()), (route.event, "any", ())}:
                for outer, other in seen.get(hiding, ()):
                    if guards[: len(outer)] == outer and (other.spoken or not route.spoken):
                        raise RouterError(f"{route.label} can never be reached: {other.label} takes everything before it")
            seen.setdefault(route.signature(), []).append((guards, route))
        reached = {step for route in self.walk() for step in route.to}
        awaited = {step for route in self.walk() for step in route.steps}
        for route in self.walk():
            for step in route.steps:
                if step not in reached:
                    raise RouterError(f"{route.label} waits at {step}, but no handler has to={step}")
        if idle := reached - awaited:
            raise RouterError(f"no handler waits at {sorted(map(repr, idle))}")

    # -- dispatch ---------------------------------------------------------------------------------------------
    async def dispatch(self, event: Event, context: Context, step: str) -> Reply | None:
        """The reply of the first handler whose filters all pass, or None when there is none.

        A sentence of the grammar is heard before any dialog step: commands work in the middle of everything.
        """
        said = normalise(event.text) if isinstance(event, Text) else ""
        data = {"context": context, "step": step}
        for spoken in (True, False) if said else (False,):
            if (reply := await self._dispatch(event, data, said, spoken)) is not None:
                return reply
        return None

    async def _dispatch(self, event: Event, data: dict[str, Any], said: str, spoken: bool) -> Reply | None:
        async def inner(event: Event, data: dict[str, Any]) -> Reply | None:
            for route in self.routes:
                if route.spoken == spoken and (slots := _match(route, event, data, said)) is not None:
                    return await _call(route, event, data | slots)
            for child in self.children:
                if (reply := await child._dispatch(event, data, said, spoken)) is not None:
                    return reply
            return None

        call: Callable[[Event, dict[str, Any]], Awaitable[Reply | None]] = inner
        for wrapper in reversed(self.middlewares):
            call = _wrap(wrapper, call)
        return await call(event, data)


def _wrap(
    wrapper: Middleware, call: Callable[[Event, dict[str, Any]], Awaitable[Reply | None]]
) -> Callable[[Event, dict[str, Any]], Awaitable[Reply | None]]:
    async def wrapped(event: Event, data: dict[str, Any]) -> Reply | None:
        return await wrapper(call, event, data)

    return wrapped


def _provides(condition: Filter) -> frozenset[str]:
    if isinstance(condition, Action):
        return frozenset(condition.arguments)
    if isinstance(condition, MagicFilter):
        return frozenset()
    return frozenset(getattr(condition, "provides", ()))


def _match(route: Route, event: Event, data: Mapping[str, Any], said: str) -> dict[str, Any] | None:
    if type(event) is not route.event or (route.where != "any" and (route.where == "private") != (event.chat.kind == "private")):
        return None
    slots: dict[str, Any] = {}
    for condition in route.filters:
        if isinstance(condition, State):
            found: Any = condition.name == data["step"]
        elif isinstance(condition, Action):
            found = condition.parse(event.action) if isinstance(event, Press) else None
            if found == {}:
                continue
        elif isinstance(condition, Phrase):
            found = condition(event, said)
            if found == {}:
                continue
        elif isinstance(condition, MagicFilter):
            found = condition.resolve(event)
        else:
            found = condition(event, data)
        if found is None or found is False:
            return None
        if isinstance(found, Mapping):
            slots |= found
        elif not found:
            return None
    return slots


async def _call(route: Route, event: Event, data: Mapping[str, Any]) -> Reply:
    reply = await route.handler(event, **{name: data[name] for name in route.names})
    if reply.step not in (KEEP, None) and reply.step not in route.to:
        raise RouterError(f"{route.label} led to {reply.step}, which is not in its to={route.to}")
    return reply
