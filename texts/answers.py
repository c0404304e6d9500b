"""What a short answer means: grades, solved or not, the listed reasons, a plain yes or no. The words are data, in answers.toml."""

from __future__ import annotations

import re
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


def plain_answer(said: str) -> str | None:
    """What the whole of `said` means as an answer to a question: agree, submit, refuse, deny, change; None when it says anything else."""
    return next((name for word, name in _words()["plain"] if word in spellings(said)), None)


def spellings(said: str) -> tuple[str, str]:
    """A short answer without its punctuation, and without its spaces too: how the listed words are spelled."""
    plainly = re.sub(r"[\s,。.!~、]+", " ", unicodedata.normalize("NFKC", said)).strip().lower()
    return plainly, plainly.replace(" ", "")


def meanings(subject: str) -> tuple[str, ...]:
    """Every meaning of a subject, in the order of the file."""
    data = tomllib.loads((Path(__file__).parent / "answers.toml").read_text("utf-8"))
    return tuple(data[subject])
