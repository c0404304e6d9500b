"""Who may do what, as tables of text, and what is wrong with what came of a press or a sentence (tests/forging.py)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from forging import PEOPLE, SILENT, Forge, Outcome

STAFF = ("leader", "other", "branch", "helper", "coordinator", "clerk", "secretary", "admin", "street", "duty", "liaison", "liaison2")
ACTIVE = "claimer member captain head"
OFFICE = "coordinator clerk secretary"
WORDS = {
    "all": " ".join(PEOPLE), "active": ACTIVE, "office": OFFICE, "leads": f"leader {OFFICE}", "heads": f"{OFFICE} admin",
    # Who votes on a promise of a member of G1: organisation, the same branch, residents without an office; whoever writes is a resident.
    "raters": "secretary clerk branch claimer member captain reporter neighbour foreigner supporter sealed stranger volunteer applicant gone "
              "ended ended_leader",
    "leaders": f"leader other {OFFICE}", "taskleads": f"head leader {OFFICE}",
    "claimants": f"rider volunteer {ACTIVE} leader other branch {OFFICE} admin liaison liaison2",
}  # fmt: skip
# The outcome of those who may not, but are the nearest to it: in every sample.
REFUSED = "-"
# The one public list of those who promised (domain.md §7) names them; nothing else in a group names anybody.
NAMED = {"promise.list_public", "promise.list_results"}
# What an answer may write without changing anything of the community's: who looked, a file that was made, its number.
LOOKS = {"audit_log", "counter", "export_file", "media"}


@dataclass(frozen=True)
class Row:
    """Who may: `said` with its holes, and the clauses; the first that names a person is theirs, who is in none is refused.

    `day`: on which it is done, where the stage's is too early for it.
    """

    said: str
    clauses: tuple[tuple[frozenset[str], str], ...]
    day: str = ""

    def of(self, who: str) -> str | None:
        """The outcome for this person, None for a refusal."""
        return next((outcome for people, outcome in self.clauses if who in people and outcome != REFUSED), None)

    def sample(self, number: int, share: int) -> list[str]:
        """One of each clause and of the refused every `share`-th, another one in each row; all of them for 1."""
        first = {next(iter(sorted(people - set().union(*(p for p, _ in self.clauses[:i]))))) for i, (people, _) in enumerate(self.clauses)}
        return [who for place, who in enumerate(PEOPLE) if who in first or (place + number) % share == 0]


def table(text: str) -> list[Row]:
    """Lines of `said @day | people: outcome | people: outcome`; `outcome`: a screen, * something is changed, ! others' data may be read."""
    found = []
    for line in filter(None, (line.partition("  #")[0].strip() for line in text.splitlines())):
        said, *clauses = (part.strip() for part in line.split("|"))
        read = []
        for clause in clauses:
            people, _, outcome = clause.rpartition(":")
            names = {name for word in people.split() for name in WORDS.get(word, word).split()}
            assert names <= set(PEOPLE), f"{names - set(PEOPLE)} in {line!r}"
            read.append((frozenset(names), outcome.strip()))
        said, _, day = said.partition(" @")
        found.append(Row(said.strip(), tuple(read), day.strip()))
    return found


def faults(forge: Forge, row: Row, who: str, found: Outcome, heard: str = "") -> list[str]:
    """What is wrong with what came of it in the person's private chat; nothing when all is as the row says. `heard`: what they wrote."""
    wanted, mine = row.of(who), f"private:{who}"
    answer = "\n".join(text for _, text in found.at(mine))
    said = [f"raised {found.error!r}"] if found.error else []
    said += [] if answer.strip() else ["no answer"]
    key = (wanted or "").rstrip("!*")
    others = {owner: words for owner, words in forge.secrets.items() if owner != who}
    if wanted is None:
        said += [f"changed {sorted(found.wrote)}"] if found.wrote else []
        said += [] if found.refused or found.keys(mine) == {"button.unknown"} else [f"was let in: {sorted(found.keys(mine))}"]
        said += [f"told others: {told}"] if (told := {where for where, _, _ in found.shown} - {mine}) else []
        said += [f"not in their language: {answer!r}"] if language_of(answer) != PEOPLE[who][2] else []
    else:
        said += [f"got {found.refused or sorted(found.keys(mine))} instead of {key}"] if key not in found.keys(mine) else []
        said += ["changed nothing"] if "*" in wanted and not found.wrote - LOOKS else []
        said += [f"changed {sorted(found.wrote - LOOKS)}"] if "*" not in wanted and found.wrote - LOOKS else []
        others = {owner: words[owner in STAFF :] for owner, words in others.items()}
        if "!" in wanted:
            others = {owner: words for owner, words in others.items() if owner == "sealed"}
    read = [word for words in others.values() for word in words if word in answer and word not in heard]
    said += [f"read {read}"] if read else []
    said += group_faults(forge, found)
    return [f"{row.said} by {who}: {fault}" for fault in said]


def language_of(answer: str) -> str:
    """The language an answer is in; English ones may name what is typed in Chinese."""
    latin, chinese = len(re.findall("[a-z]", answer)), len(re.findall("[\u4e00-\u9fff]", answer))
    return "en" if latin > chinese else "zh_CN"


def group_faults(forge: Forge, found: Outcome, heard: str = "") -> list[str]:
    """What stands in a group and must not: anybody's name, number, door or private words (domain.md §0.6)."""
    crowd = [(key, text) for where, key, text in found.shown if not where.startswith("private:")]
    read = [f"a group read {word}" for words in forge.secrets.values() for word in words
            if word not in heard and any(word in text and not (key in NAMED and word == words[0]) for key, text in crowd)]  # fmt: skip
    return read + [f"a group read who has not replied in {key}" for key, text in crowd if SILENT in text and SILENT not in heard]
