"""The addresses at which people come in: what each platform of this process makes of a deep-link payload."""

from __future__ import annotations

from collections.abc import Callable, Iterable

Door = Callable[[str], str]
_doors: list[Door] = []


def use(doors: Iterable[Door]) -> None:
    """Take these doors from now on. A door gives "" while it knows no address."""
    _doors[:] = doors


def addresses(payload: str) -> tuple[str, ...]:
    """Every address that opens a chat with the bot there and says /start PAYLOAD."""
    return tuple(filter(None, (door(payload) for door in _doors)))
