"""The commands menu of a platform: Latin names with a description in each language."""

from __future__ import annotations

from texts.render import LANGUAGES, text
from texts.utterances import commands

MENU = ("bao", "jindu", "diandan", "tasks", "mytasks", "todo", "help")


def command_menu() -> dict[str, list[tuple[str, str]]]:
    """For each language the commands shown to people: (name without the slash, description of at most 256 characters)."""
    known = commands()
    return {language: [(name, text(f"command.{name}", {}, language)) for name in MENU if name in known] for language in LANGUAGES}
