"""How well sentences are understood: `python -m bench.understanding` prints a table for the tune and the held half.

The sentences are labelled in bench/sentences (its README says how they were written). Rules are tuned on the tune half
only: failures are printed for it (`--failures`), never for the held half, of which nothing but totals is shown; where a
half is not there, that is said and the other measured alone. The places are those of the demo community.

The tune half is among the examples of texts/understanding_examples.toml, so it is measured in folds: each sentence is
understood without the examples of its own fold. That is honest about the examples, not about the rules.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from services.examples import Examples, read_examples
from services.geography import distance_m
from services.near_duplicates import NEAR_METRES
from services.places import Gazetteer, NamedPlace
from services.understanding import counted, same_matter, understand

_ROOT = Path(__file__).parents[1]
_SENTENCES = _ROOT / "bench" / "sentences"
_HALVES = ("tune", "held")
_ROUNDS = 3
_FILES_A_HALF = 2
_FOLDS = 5

Row = dict[str, Any]
Scores = dict[str, str]


def demo_places(path: Path = _ROOT / "demo" / "community.json") -> list[NamedPlace]:
    """Return the buildings and the named places of the demo community, with their aliases."""
    community = json.loads(path.read_text("utf-8"))
    aliases: dict[str, list[str]] = {}
    for alias, name in community["aliases"].items():
        aliases.setdefault(name, []).append(alias)
    buildings = [_place(entry, "building", ()) for entry in community["buildings"]]
    named = [_place(entry, "place", tuple(aliases.get(entry["name"], ()))) for entry in community["places"]]
    return buildings + named


def _place(entry: Mapping[str, Any], kind: Any, aliases: tuple[str, ...]) -> NamedPlace:
    """Return one place of the demo community."""
    return NamedPlace(entry["name"], entry["grid"], entry["lat"], entry["lon"], kind, aliases)


def read_sentences(name: str) -> list[Row]:
    """Return the rows of one file of sentences or pairs; none when the file is not there."""
    path = _SENTENCES / f"{name}.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]


def _share(hits: Iterable[bool]) -> str:
    """Return a share with its count, such as `98.0 %  49/50`."""
    outcomes = list(hits)
    percent = f"{100 * sum(outcomes) / len(outcomes):.1f} %" if outcomes else "—"
    return f"{percent:>7} {f'{sum(outcomes)}/{len(outcomes)}':>8}"


def score_sentences(rows: list[Row], gazetteer: Gazetteer, failures: list[str]) -> Scores:
    """Return the measures over labelled sentences; what went wrong is added to failures."""
    folds = folded_examples(rows)
    lists: tuple[list[bool], ...] = tuple([] for _ in range(9))
    top1, top3, sure, kinds, recall, alarms, others, places, grids = lists
    grid_of = {row["home"]: _grid_of(gazetteer, row["home"]) for row in rows if row["home"]}
    for at, row in enumerate(rows):
        understood = understand(row["text"], folds[at % _FOLDS])
        accepted = {row["category"], *row["also_ok"]}
        codes = [guess.code for guess in understood.guesses]
        if row["kind"] == "problem":
            top1.append(bool(codes) and codes[0] in accepted)
            top3.append(any(code in accepted for code in codes))
            if understood.confident:
                sure.append(codes[0] in accepted)
            if not top1[-1]:
                failures.append(f"category {sorted(accepted)} not {understood.guesses}: {row['text']}")
        (recall if row["urgent"] else alarms).append(understood.urgent is not None)
        if row["urgent"] != (understood.urgent is not None):
            failures.append(f"urgent {row['urgent']}, found {understood.urgent}: {row['text']}")
        kinds.append(understood.kind == row["kind"])
        if not kinds[-1]:
            failures.append(f"kind {row['kind']} not {understood.kind}: {row['text']}")
        others.append(understood.for_other == row["for_other"])
        match = gazetteer.find(row["text"], row["home"])
        name = match.places[0].name if match.kind == "place" else None
        grid = match.places[0].grid if match.kind == "place" else grid_of.get(row["home"])
        if match.kind in ("ambiguous", "unknown_building"):
            grid = None
        places.append(name == row["place"] and (match.kind == "ambiguous") == row["ambiguous"])
        grids.append(grid == row["grid"])
        if not places[-1]:
            failures.append(f"place {row['place']} not {match.kind} {name}, home {row['home']}: {row['text']}")
    return {
        "category, first guess": _share(top1),
        "category, first three": _share(top3),
        "right when confident": _share(sure),
        "kind": _share(kinds),
        "urgent found": _share(recall),
        "urgent, false alarms": _share(alarms),
        "for somebody else": _share(others),
        "place": _share(places),
        "grid": _share(grids),
    }


def folded_examples(rows: list[Row]) -> list[Examples]:
    """Return for each fold the examples without that fold's sentences."""
    examples = read_examples()
    texts = [{row["text"] for row in rows[at::_FOLDS]} for at in range(_FOLDS)]
    return [counted(example for example in examples if example[2] not in own) for own in texts]


def _grid_of(gazetteer: Gazetteer, home: str) -> str | None:
    """Return the grid of a home."""
    match = gazetteer.find(home)
    return match.places[0].grid if match.kind == "place" else None


def score_pairs(rows: list[Row], gazetteer: Gazetteer, failures: list[str]) -> Scores:
    """Return precision and recall of finding near-duplicates; what went wrong is added to failures.

    Both reports of a pair have one category and one grid, so the question is what the intake asks then: are they of
    the same matter, and not at two places more than 50 m apart.
    """
    found, wanted = [], []
    for row in rows:
        named = [_in_grid(gazetteer, row[key], row["grid"]) for key in ("first", "second")]
        known = [place for place in named if place is not None]
        both = len(known) == len(named)
        same_place = both and distance_m(known[0].lat, known[0].lon, known[-1].lat, known[-1].lon) <= NEAR_METRES
        apart = both and not same_place
        merged = row["same_grid"] and not apart and same_matter(row["first"], row["second"], same_place, row["category"])
        if merged:
            found.append(row["duplicate"])
        if row["duplicate"]:
            wanted.append(merged)
        if merged != row["duplicate"]:
            failures.append(f"duplicate {row['duplicate']} not {merged}: {row['first']} | {row['second']}")
    return {"duplicates, precision": _share(found), "duplicates, recall": _share(wanted)}


def _in_grid(gazetteer: Gazetteer, text: str, grid: str) -> NamedPlace | None:
    """Return the place a text names, of several the one in the grid."""
    match = gazetteer.find(text)
    fitting = [place for place in match.places if match.kind == "place" or place.grid == grid]
    return fitting[0] if fitting else None


def microseconds(rows: list[Row]) -> str:
    """Return the mean processor time to understand one sentence."""
    if not rows:
        return "—"
    start = time.process_time()
    for _ in range(_ROUNDS):
        for row in rows:
            understand(row["text"])
    return f"{(time.process_time() - start) / (_ROUNDS * len(rows)) * 1_000_000:.0f}"


def missing(halves: Iterable[str] = _HALVES) -> list[str]:
    """Return the files of the halves that are not there."""
    names = [f"{prefix}{half}.jsonl" for half in halves for prefix in ("", "pairs_")]
    return [name for name in names if not (_SENTENCES / name).exists()]


def tables(halves: Iterable[str] = _HALVES) -> Iterator[tuple[str, Scores, list[str]]]:
    """Yield the name, the measures and the failures of each half of which there are sentences or pairs."""
    gazetteer = Gazetteer(demo_places())
    for half in halves:
        if len(missing((half,))) == _FILES_A_HALF:
            continue
        failures: list[str] = []
        rows = read_sentences(half)
        scores = score_sentences(rows, gazetteer, failures)
        scores |= score_pairs(read_sentences(f"pairs_{half}"), gazetteer, failures)
        scores["µs a sentence"] = microseconds(rows)
        yield half, scores, failures


def main(arguments: list[str]) -> int:
    """Print the table, and with --failures what went wrong in the tune half."""
    for name in missing():
        print(f"bench/sentences/{name} is not here: not measured")
    measured = list(tables())
    if not measured:
        return 1
    print(f"{'':24}" + "".join(f"{half:>20}" for half, _, _ in measured))
    for name in measured[0][1]:
        print(f"{name:24}" + "".join(f"{scores[name]:>20}" for _, scores, _ in measured))
    if "--failures" in arguments:
        print("\n".join(failure for half, _, failures in measured if half == "tune" for failure in failures))
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
