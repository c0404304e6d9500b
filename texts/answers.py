"""What a short answer means: grades, solved or not, the listed reasons. The words are data, in answers.toml."""

from __future__ import annotations

import tomllib
import unicodedata
from functools import cache
from pathlib import Path


@cache
def _words() -> dict[str, tuple[tuple[str, str], ...]]:
    """(word, meaning) of every subject, longest word first."""
    data = tomllib.loads((Path(__file__).parent / "answers.toml").read_text("utf-8"))
    return {
        subject: tuple(sorted(((word, meaning) for meaning, words in table.items() for word in words), key=lambda pair: -len(pair[0])))
        for subject, table in data.items()
    }


def meaning(subject: str, said: str) -> str | None:
    """What `said` begins with means ("good" for a grade), or None. `subject`: a table of answers.toml."""
    plain = unicodedata.normalize("NFKC", said).strip().lower()
    return next((name for word, name in _words()[subject] if plain.startswith(word)), None)


def meanings(subject: str) -> tuple[str, ...]:
    """Every meaning of a subject, in the order of the file."""
    data = tomllib.loads((Path(__file__).parent / "answers.toml").read_text("utf-8"))
    return tuple(data[subject])
