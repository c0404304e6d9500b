"""The commands menu of a platform: Latin names with a description in each language."""

from __future__ import annotations

from texts.render import LANGUAGES, text
from texts.utterances import commands

PRIVATE = ("bao", "jindu", "diandan", "zhiban", "gonggao", "baodao", "tasks", "mytasks", "shichang", "gangwei", "todo", "help")
GROUP = ("claim", "unclaim", "tasks", "help")


def command_menu() -> dict[str, list[tuple[str, str]]]:
    """For each language the commands of a private chat: (name without the slash, description of at most 256 characters)."""
    return _listed(PRIVATE)


def group_menu() -> dict[str, list[tuple[str, str]]]:
    """For each language the commands that members use in a group."""
    return _listed(GROUP)


def _listed(names: tuple[str, ...]) -> dict[str, list[tuple[str, str]]]:
    known = commands()
    return {language: [(name, text(f"command.{name}", {}, language)) for name in names if name in known] for language in LANGUAGES}
