"""Which characters a text must have some of for a pattern to be found in it: most patterns need not be tried at all.

The answer is read off the pattern as `re` itself parses it, so it holds for whatever the lexicon's lists say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from re import _constants, _parser  # type: ignore[attr-defined]  # the only parser of patterns there is; services.lexicon's tests cover it
from typing import Any

_MOST = 64
Characters = frozenset[str]


def needed_characters(patterns: Mapping[str, re.Pattern[str]]) -> dict[str, Characters]:
    """Return for each pattern the characters of which every text it is found in has at least one; none where nothing is known.

    Of several choices the one with the rarest characters is taken, by how many of the patterns use them.
    """
    common = Counter(character for pattern in patterns.values() for character in set(pattern.pattern))
    return {name: _of(_parser.parse(pattern.pattern), common) or frozenset() for name, pattern in patterns.items()}


def _of(parsed: Iterable[tuple[Any, Any]], common: Counter[str]) -> Characters | None:
    """Return what a sequence needs: the rarest of what its items need; None when it needs nothing."""
    choices = [needed for item in parsed if (needed := _item(item, common)) is not None]
    return min(choices, key=lambda needed: sum(common[character] for character in needed), default=None)


def _item(item: tuple[Any, Any], common: Counter[str]) -> Characters | None:
    """Return what one item needs; None when it may match without any character we can name."""
    kind, value = item
    if kind is _constants.LITERAL:
        return frozenset(chr(value))
    if kind is _constants.IN:
        return _set(value)
    if kind is _constants.SUBPATTERN:
        return _of(value[-1], common)
    if kind in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
        least, _, repeated = value
        return _of(repeated, common) if least else None
    if kind is _constants.BRANCH:
        branches = [_of(branch, common) for branch in value[1]]
        return None if None in branches else frozenset().union(*(branch for branch in branches if branch is not None))
    return None


def _set(members: Iterable[tuple[Any, Any]]) -> Characters | None:
    """Return the members of a set of characters; None for a negated or a large one."""
    found: set[str] = set()
    for kind, value in members:
        if kind is _constants.LITERAL:
            found.add(chr(value))
        elif kind is _constants.RANGE and value[1] - value[0] < _MOST:
            found.update(map(chr, range(value[0], value[1] + 1)))
        else:
            return None
    return frozenset(found)
