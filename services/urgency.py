"""How sure it is that a sentence means a danger that is there now: a linear classifier beside the rules (texts/urgency.tsv).

Logistic regression over what a sentence shows: its characters, pairs and triples with the danger itself as one sign, the words of
time, doubt, asking and haste before and behind the danger (`[urgent_cues]` of texts/understanding.toml), and what the rules
hold against it. The weights are learnt by `python -m bench.urgency` from the examples of texts/understanding_examples.toml;
the same sentence gets the same answer, and nothing is learnt from residents.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from math import fsum, sqrt
from pathlib import Path

from services import place_words
from services.dangers import Dangers, Mention, clauses_around
from services.lexicon import Lexicon

BIAS = "bias"
_DANGER = "ж"
_LONGEST_PIECE = 3
_AT_THE_START = 3
_SPACE = re.compile(r"\s")


class Urgency:
    """Weights of what sentences show."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        """Take the weight of every feature; that of `bias` counts always."""
        self._weights = weights

    def sureness(self, features: frozenset[str]) -> float:
        """Return the log odds that a sentence with these features is urgent: above 0 it is likelier than not."""
        known = [self._weights[feature] for feature in features if feature in self._weights]
        return self._weights[BIAS] + fsum(known) / sqrt(max(1, len(known)))


@cache
def read_urgency() -> Urgency:
    """Return the weights of texts/urgency.tsv, read once: a feature, a tab and its weight on each line but the first (bench.urgency)."""
    path = Path(__file__).parents[1] / "texts" / "urgency.tsv"
    lines = (line.split("\t") for line in path.read_text("utf-8").splitlines()[1:])
    return Urgency({feature: float(weight) for feature, weight in lines})


def features_of(dangers: Dangers, words: Lexicon) -> frozenset[str]:
    """Return what a folded sentence shows about whether its danger is meant."""
    folded = dangers.folded
    mention = dangers.mention()
    found = {f"guard {name}" for name, guard in words.guards.items() if guard.search(folded)}
    if mention is None:
        found.add("at none")
        found.update(f"any {name}" for name, cue in words.cues.items() if cue.search(folded))
    else:
        found.update(_around(mention, folded, words))
        said = _SPACE.sub("", folded[mention.start : mention.end])
        found.update(f"said {piece}" for piece in _pieces(said, 2))
        folded = f"{folded[: mention.start]}{_DANGER}{folded[mention.end :]}"
    found.update(_pieces(f"^{_SPACE.sub('', place_words.without_places(folded))}$", _LONGEST_PIECE))
    return frozenset(found)


def _around(mention: Mention, folded: str, words: Lexicon) -> Iterator[str]:
    """Yield where a danger stands, what the rules hold against it, and the cues in its clause and in those beside it."""
    before, after = clauses_around(folded, mention.start, mention.end)
    yield "at start" if mention.start <= _AT_THE_START else "at end"
    yield "at one" if len(before) == mention.start and mention.end + len(after) >= len(folded.rstrip(",。! ")) else "at several"
    yield from (f"against {doubt}" for doubt in mention.doubts)
    stretches = {
        "before": before,
        "after": after,
        "earlier": folded[: mention.start - len(before)],
        "later": folded[mention.end + len(after) :],
    }
    for where, stretch in stretches.items():
        yield from (f"{where} {name}" for name, cue in words.cues.items() if cue.search(stretch))


def _pieces(text: str, longest: int) -> Iterator[str]:
    """Yield every stretch of a text of up to so many characters."""
    for length in range(1, longest + 1):
        yield from (text[at : at + length] for at in range(len(text) - length + 1))
