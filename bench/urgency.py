"""The weights of the classifier of urgency: `python -m bench.urgency` measures them by author, `--write` learns them anew.

Learnt from all of texts/understanding_examples.toml by logistic regression (AdaGrad, always in the same order, so that the same
examples give the same weights) and written to texts/urgency.tsv under a fingerprint of what they were learnt from; a changed example,
cue, guard or danger asks for new ones, and a test of the fingerprint says so.

Measured by author: the classifier and the examples know nothing of the author's sentences when they are understood. The rules do:
they were tuned on all of them, so `rules alone` is a fit and only what the classifier spoils or mends there is an estimate.
"""

from __future__ import annotations

import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from hashlib import sha256
from math import exp, sqrt
from pathlib import Path
from random import Random

from bench.understanding import read_sentences
from services.examples import Example, read_examples
from services.understanding import counted, shown, understand
from services.urgency import BIAS, Urgency

WEIGHTS = Path(__file__).parents[1] / "texts" / "urgency.tsv"
_ROUNDS = 15
_RATE = 0.3
_DECAY = 0.02
_FIRST = 0.01
_STEEPEST = 30.0
_FEWEST = 2
_FAINTEST = 0.05
_AS_THE_RULES = 1.0
_LEARNT_FROM = ("folding", "spelling", "homophones", "concepts", "dangers", "urgent", "bystanders", "urgent_guards", "urgent_cues")
_EVERY = 50

Shown = tuple[frozenset[str], bool]


def learn(examples: Iterable[Shown]) -> dict[str, float]:
    """Return the weights that tell the urgent examples from the others; what fewer than two show is left out."""
    known = list(examples)
    counts = Counter(feature for features, _ in known for feature in features)
    rows = [(sorted(feature for feature in features if counts[feature] >= _FEWEST), urgent) for features, urgent in known]
    weights: dict[str, float] = defaultdict(float)
    steps: dict[str, float] = defaultdict(lambda: _FIRST)
    order, chance = list(range(len(rows))), Random(0)
    for _ in range(_ROUNDS):
        chance.shuffle(order)
        for at in order:
            features, urgent = rows[at]
            share = 1 / sqrt(max(1, len(features)))
            odds = weights[BIAS] + share * sum(weights[feature] for feature in features)
            error = 1 / (1 + exp(-max(-_STEEPEST, min(_STEEPEST, odds)))) - urgent
            for feature, slope in [(feature, error * share + _DECAY * weights[feature] / counts[feature]) for feature in features] + [
                (BIAS, error)
            ]:
                steps[feature] += slope * slope
                weights[feature] -= _RATE * slope / sqrt(steps[feature])
    return {feature: round(weight, 2) for feature, weight in weights.items() if abs(weight) >= _FAINTEST or feature == BIAS}


def fingerprint(examples: Sequence[Example]) -> str:
    """Return what changes with every example, cue, guard and danger, and with how one example in fifty is read."""
    words = tomllib.loads((WEIGHTS.parent / "understanding.toml").read_text("utf-8"))
    known = [(text, urgent) for _, urgent, text in examples]
    shows = [sorted(shown(text)) for text, _ in known[::_EVERY]]
    return sha256(repr(([words[name] for name in _LEARNT_FROM], known, shows)).encode()).hexdigest()


def write(weights: dict[str, float], learnt_from: str, path: Path = WEIGHTS) -> None:
    """Write the fingerprint, then the weights, a feature a line."""
    lines = "".join(f"{feature}\t{weight}\n" for feature, weight in sorted(weights.items()))
    path.write_text(f"{learnt_from}\n{lines}", "utf-8")


def by_author(examples: Sequence[Example], features: Sequence[frozenset[str]]) -> None:
    """Print for each author what is found and what is a false alarm, by the rules and examples alone and with the classifier."""
    rules, rows = Urgency({BIAS: _AS_THE_RULES}), read_sentences("tune")
    print(f"{'author':8}{'urgent found, false alarms':>32}")
    for author in sorted({row["author"] for row in rows}):
        own = {row["text"]: row["urgent"] for row in rows if row["author"] == author}
        known = counted(example for example in examples if example[2] not in own)
        weights = learn((shows, urgent) for (_, urgent, text), shows in zip(examples, features, strict=True) if text not in own)
        for name, urgency in (("rules", rules), ("both", Urgency(weights))):
            found = Counter(urgent for text, urgent in own.items() if understand(text, known, urgency).urgent)
            wanted = Counter(own.values())
            print(f"{author:<4}{name:8}{found[True]:>10}/{wanted[True]:<4}{found[False]:>10}/{wanted[False]}")


def main(arguments: list[str]) -> int:
    """Measure by author, or learn and write."""
    examples = read_examples()
    features = [shown(text) for _, _, text in examples]
    if "--write" in arguments:
        write(learn((shows, urgent) for (_, urgent, _), shows in zip(examples, features, strict=True)), fingerprint(examples))
    else:
        by_author(examples, features)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
