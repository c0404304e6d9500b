"""Roles and the other tables of texts/administration.toml, and what people call them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any


@cache
def tables() -> Mapping[str, Any]:
    """The tables of texts/administration.toml."""
    data: dict[str, Any] = tomllib.loads((Path(__file__).parent / "administration.toml").read_text("utf-8"))
    return data


def role_of(word: str) -> str | None:
    """The role that a word means, None for no role."""
    said = " ".join(word.lower().split())
    known: dict[str, list[str]] = tables()["roles"]
    return next((role for role, words in known.items() if said in words), None)


def roles_in_workbook() -> dict[str, str]:
    """The roles of the workbook's staff sheet with their names."""
    return {role: tables()["roles"][role][0] for role in tables()["workbook"]["roles"]}


def role_pattern() -> str:
    """A regular expression of every word of every role, the longest first."""
    words = sorted((word for words in tables()["roles"].values() for word in words), key=len, reverse=True)
    return "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in words)
