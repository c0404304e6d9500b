"""What sentences like this one were about, and how urgent: counted from examples (texts/understanding_examples.toml).

Naive Bayes over characters, neighbouring pairs and Latin words, each counted once a sentence and weighted by how few examples
it occurs in. It knows what the rules of services.understanding have no words for, and settles what they cannot decide. The
same examples give the same answer; nothing is learnt from residents.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from math import exp, log
from pathlib import Path

Example = tuple[str, bool, str]
Kind = tuple[str, bool]

_SMOOTHING = 1.0
_TEMPERATURE = 3.0
_CHINESE = re.compile(r"[\u3400-\u9fff]+")
_WORD = re.compile(r"[a-z]{2,}")


@dataclass(frozen=True)
class Shares:
    """How likely a sentence is of each category, 1 together, and the part of that with which it is an urgent one of it."""

    of: Mapping[str, float]
    urgent: Mapping[str, float]

    @property
    def danger(self) -> float:
        """How likely the sentence is urgent at all."""
        return sum(self.urgent.values())


class Examples:
    """Sentences with their categories and their urgency, counted."""

    def __init__(self, sentences: Iterable[Example]) -> None:
        """Count (category, whether it is urgent, folded sentence without its places)."""
        counts: dict[Kind, Counter[str]] = {}
        known: Counter[str] = Counter()
        size = 0
        for category, urgent, text in sentences:
            pieces = _pieces(text)
            counts.setdefault((category, urgent), Counter()).update(pieces)
            known.update(pieces)
            size += 1
        rarity = {piece: log((size + 1) / (count + 0.5)) for piece, count in known.items()}
        self._kinds = sorted(counts)
        self._absent: list[float] = []
        self._present: dict[str, list[tuple[int, float]]] = {piece: [] for piece in known}
        for at, kind in enumerate(self._kinds):
            weights = {piece: count * rarity[piece] for piece, count in counts[kind].items()}
            self._absent.append(log(_SMOOTHING / (sum(weights.values()) + _SMOOTHING * len(known))))
            for piece, weight in weights.items():
                self._present[piece].append((at, log((weight + _SMOOTHING) / _SMOOTHING)))

    def shares(self, text: str) -> Shares | None:
        """Return how likely a folded sentence without its places is of each category; None where no piece of it is known."""
        pieces = [piece for piece in sorted(_pieces(text)) if piece in self._present]
        if not pieces:
            return None
        sums = [absent * len(pieces) for absent in self._absent]
        for piece in pieces:
            for at, weight in self._present[piece]:
                sums[at] += weight
        highest = max(sums)
        odds = [exp((total - highest) / _TEMPERATURE) for total in sums]
        whole = sum(odds)
        categories: dict[str, float] = {}
        dangers: dict[str, float] = {}
        for (category, urgent), odd in zip(self._kinds, odds, strict=True):
            categories[category] = categories.get(category, 0.0) + odd / whole
            if urgent:
                dangers[category] = odd / whole
        return Shares(categories, dangers)


@cache
def read_examples() -> tuple[Example, ...]:
    """Return the examples of texts/understanding_examples.toml as (category, whether it is urgent, sentence), read once."""
    path = Path(__file__).parents[1] / "texts" / "understanding_examples.toml"
    data: Mapping[str, Mapping[str, list[str]]] = tomllib.loads(path.read_text("utf-8"))
    return tuple(
        (category, table == "urgent", text) for table in ("ordinary", "urgent") for category, texts in data[table].items() for text in texts
    )


def _pieces(text: str) -> frozenset[str]:
    """Return the characters and the neighbouring pairs of a text's Chinese stretches, and its Latin words."""
    pieces = set(_WORD.findall(text))
    for stretch in _CHINESE.findall(text):
        pieces.update(stretch)
        pieces.update(map("".join, pairwise(stretch)))
    return frozenset(pieces)
