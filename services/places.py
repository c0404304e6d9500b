"""Which place of the community a sentence names.

Source: domain.md §1 (Where; chat input is normalised). The words are read by services.place_words; the places come from
the community. Named places and aliases go before buildings, the longest name before a shorter one, the writer's own
estate before the others. Nothing here reads a database or a clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from services.place_words import MENTIONS, NUMBER, WORDS, Mention, detail_near, lower_case, mentioned, plain, read_number

_SHORTEST_NAME = 2
_MOST_CANDIDATES = 8


@dataclass(frozen=True)
class NamedPlace:
    """A place of the community that a sentence can name: a building, or anything else with a name of its own."""

    name: str
    grid: str | None
    lat: float
    lon: float
    kind: Literal["building", "place"]
    aliases: tuple[str, ...] = ()
    id: str = ""


@dataclass(frozen=True)
class PlaceMatch:
    """What a sentence names.

    places: one for "place"; the candidates for "ambiguous"; empty otherwise. detail: what is near it, as said, never a
    door number; it is filled for "none" too, where it belongs to the home. words: the words that named the place.
    estate: for "none", the words of a large estate that is not the home's: then it is not the home that is meant.
    """

    kind: Literal["place", "ambiguous", "unknown_building", "none"]
    places: tuple[NamedPlace, ...] = ()
    detail: str = ""
    words: str = ""
    estate: str = ""


@dataclass(frozen=True)
class _Building:
    """A building's name in its parts; on_street: a number along a street instead of a block."""

    place: NamedPlace
    estate: str
    number: str
    on_street: bool


class Gazetteer:
    """The places of one community, ready to be found in sentences. Estates are read off the buildings' names."""

    def __init__(self, places: Iterable[NamedPlace]) -> None:
        """Take the places of one community; of two with the same name the first one counts."""
        unique: dict[str, NamedPlace] = {}
        for place in places:
            unique.setdefault(lower_case(plain(place.name)), place)
        self._buildings: dict[str, list[_Building]] = {}
        named: list[tuple[str, NamedPlace]] = []
        for name, place in unique.items():
            if building := _parse_building(name, place):
                self._buildings.setdefault(building.estate, []).append(building)
            else:
                named.append((name, place))
            named += [(lower_case(plain(alias)), place) for alias in place.aliases]
        self._estate_words = self._find_estate_words()
        self._at_building = self._find_at_building(named)
        self._names = self._find_names(named)

    def find(self, text: str, home: str | None = None) -> PlaceMatch:
        """Return the place that the text names, read by somebody whose building is `home` (None: not known).

        Another estate than the home's, named without a building, is "ambiguous" among its buildings: the home would be
        wrong. One with more than eight is "none" with its words in the detail: so many are no choice, the person is asked
        where. The home's own estate says no more than the home does: "none", and the caller takes the home.
        """
        shown = plain(text)
        folded = lower_case(shown)
        home_estate = self._estate_of(home) if home else None
        mentions = self._order(folded, list(mentioned(folded, self._estate_words)), home_estate)
        said = mentions[0] if mentions else None
        explicit = said.estates if said else None
        if explicit is None:
            explicit = self._estates_said(folded)
        if (found := self._named(folded, explicit, home_estate)) is not None:
            place, start, end = found
            return PlaceMatch("place", (place,), detail_near(shown, folded, start, end), shown[start:end])
        if said is not None:
            kind, candidates = self._resolve(said, explicit, home_estate)
            start, end = said.start, said.end
            for rest, place in self._at_building.get(candidates[0].name, ()) if kind == "place" else ():
                if folded.startswith(rest, end):
                    candidates, end = (place,), end + len(rest)
            return PlaceMatch(kind, candidates, detail_near(shown, folded, start, end), shown[start:end])
        return self._estate_alone(shown, folded, home_estate)

    def without_estates(self, text: str) -> str:
        """Return the text without the names of estates before a building's number: 柳溪苑4幢 speaks of no willow and no river."""
        shown, numerals = plain(text), WORDS["numerals"]["digits"] + WORDS["numerals"]["ten"]
        for estate in sorted(filter(None, self._buildings), key=len, reverse=True):
            shown = re.sub(rf"{re.escape(estate)}(?=\s*[\da-z{numerals}])", "", shown, flags=re.IGNORECASE)
        return shown

    # ---- reading the gazetteer ------------------------------------------------------------------------------------

    def _find_estate_words(self) -> dict[str, frozenset[str]]:
        """Return what estates may be called: their names and shortened forms, each with the estates it can mean."""
        words: dict[str, set[str]] = {}
        for estate in self._buildings:
            words.setdefault(estate, set()).add(estate)
            for end in WORDS["names"]["estate_ends"]:
                if estate.endswith(end):
                    front = estate.removesuffix(end)
                    for form in (front, end):
                        if len(form) >= _SHORTEST_NAME:
                            words.setdefault(form, set()).add(estate)
        return {word: frozenset(estates) for word, estates in words.items()}

    def _find_at_building(self, named: list[tuple[str, NamedPlace]]) -> dict[str, list[tuple[str, NamedPlace]]]:
        """Return, by a building's name, the places named after it: the rest of their names, and they."""
        places: dict[str, list[tuple[str, NamedPlace]]] = {}
        for name, place in named:
            mention = next(mentioned(name, self._estate_words), None)
            if mention is not None and mention.estates is not None and mention.end < len(name):
                kind, buildings = self._resolve(mention, mention.estates, None)
                if kind == "place":
                    places.setdefault(buildings[0].name, []).append((name[mention.end :], place))
        return places

    def _find_names(self, named: list[tuple[str, NamedPlace]]) -> list[tuple[str, NamedPlace]]:
        """Return every spelling of the named places, longest first; a shortened one only where it means one place."""
        full = [(spelling, place) for spelling, place in named if len(spelling) >= _SHORTEST_NAME]
        shortened: dict[str, set[NamedPlace]] = {}
        for spelling, place in full:
            for form in self._short_forms(spelling):
                shortened.setdefault(form, set()).add(place)
        known = {spelling for spelling, _ in full}
        single = [(form, next(iter(of))) for form, of in shortened.items() if len(of) == 1 and form not in known]
        return sorted(full + single, key=lambda pair: -len(pair[0]))

    def _short_forms(self, name: str) -> Iterator[str]:
        """Yield a place's name without its estate, and its last noun; nothing for what is named after a building."""
        if next(mentioned(name, self._estate_words), None) is not None:
            return
        fronts = [word for word in self._estate_words if name.startswith(word)]
        heads = [name[: name.index(head) + len(head)] for head in WORDS["names"]["place_heads"] if head in name]
        for front in (*fronts, *heads):
            if len(rest := name.removeprefix(front)) >= _SHORTEST_NAME:
                yield rest
        for end in WORDS["names"]["place_ends"]:
            if name.endswith(end) and name != end:
                yield end

    def _estate_of(self, name: str) -> str | None:
        """Return the estate a building's name lies in, also for a building that the gazetteer does not have."""
        folded = lower_case(plain(name))
        fitting = [estate for estate in self._buildings if folded.startswith(estate)]
        return max(fitting, key=len, default=None)

    # ---- reading a sentence ---------------------------------------------------------------------------------------

    def _estates_said(self, folded: str) -> frozenset[str] | None:
        """Return the estates meant by the longest estate word in the text; None when there is none.

        A shortened form counts only where it does not begin a longer name, as in the name of the community.
        """
        for word in sorted(self._estate_words, key=len, reverse=True):
            at = folded.find(word)
            if at < 0:
                continue
            whole = word in self._buildings
            inside = any(folded.startswith(f"{word}{end}", at) for end in WORDS["names"]["estate_ends"])
            if whole or not inside:
                return self._estate_words[word]
        return None

    def _named(self, folded: str, said_estates: frozenset[str] | None, home_estate: str | None) -> tuple[NamedPlace, int, int] | None:
        """Return the named place in the text with its position; one of another estate than the text says is none."""
        found: list[tuple[int, int, NamedPlace]] = []
        for spelling, place in self._names:
            at = folded.find(spelling)
            if at < 0:
                continue
            estate = self._estate_of(place.name)
            # An alias such as "the garage" belongs to one estate; said with another estate's name it means another one.
            if said_estates is not None and estate is not None and estate not in said_estates:
                continue
            found.append((len(spelling), estate == home_estate, place))
        if not found:
            return None
        length, _, place = max(found, key=lambda hit: (hit[0], hit[1]))
        spelling = next(word for word, of in self._names if of == place and len(word) == length and word in folded)
        start = folded.find(spelling)
        return place, start, start + length

    def _order(self, folded: str, mentions: list[Mention], home_estate: str | None) -> list[Mention]:
        """Return the mentions of buildings that count, best first: ours, then as said, where the writer lives last."""
        counting = [mention for mention in mentions if self._counts(folded, mention, home_estate)]

        def rank(mention: Mention) -> tuple[int, int]:
            before = folded[: mention.start]
            if re.search(MENTIONS["own_home"], before):
                return 2, mention.start
            return (0 if re.search(MENTIONS["ours"], before) else 1), mention.start

        return sorted(counting, key=rank)

    def _counts(self, folded: str, mention: Mention, home_estate: str | None) -> bool:
        """Tell whether a bare number along a street is meant as a place: at home there, or with words of a place."""
        if not mention.on_street or mention.estates is not None:
            return True
        at_home = any(building.on_street for building in self._buildings.get(home_estate or "", ()))
        follows = re.search(MENTIONS["street_follows"], folded[mention.end :]) is not None
        known = any(building.number == mention.number for building in self._all())
        return follows and known if not at_home else known

    def _resolve(
        self, said: Mention, explicit: frozenset[str] | None, home_estate: str | None
    ) -> tuple[Literal["place", "ambiguous", "unknown_building"], tuple[NamedPlace, ...]]:
        """Return the building meant, the several it can be, or that there is none of this number."""
        fitting = [
            building
            for building in self._all()
            if building.number == said.number
            if building.on_street == said.on_street or said.estates or (said.loose and building.estate == home_estate)
        ]
        if explicit is not None:
            fitting = [building for building in fitting if building.estate in explicit]
        at_home = [building for building in fitting if building.estate == home_estate]
        if at_home and (explicit is None or len(fitting) > 1):
            fitting = at_home
        if not fitting:
            return "unknown_building", ()
        places = tuple(building.place for building in fitting)
        return ("place" if len(places) == 1 else "ambiguous"), places

    def _estate_alone(self, shown: str, folded: str, home_estate: str | None) -> PlaceMatch:
        """Return what an estate named without a building leaves: its buildings where they are few enough to choose from.

        Of a large estate, and of the home's own, nothing is named; a large one's words are the detail, so that they are kept.
        """
        estates = self._estates_said(folded)
        if estates is None:
            return PlaceMatch("none", (), detail_near(shown, folded, 0, 0), "")
        candidates = tuple(building.place for building in self._all() if building.estate in estates)
        words = max((word for word, of in self._estate_words.items() if of == estates and word in folded), key=len)
        start, end = folded.find(words), folded.find(words) + len(words)
        near = detail_near(shown, folded, start, end)
        if len(candidates) > _MOST_CANDIDATES:
            return PlaceMatch("none", (), f"{shown[start:end]}{near}", "", "" if home_estate in estates else shown[start:end])
        if home_estate in estates:
            return PlaceMatch("none", (), detail_near(shown, folded, 0, 0), "")
        return PlaceMatch("ambiguous", candidates, near, shown[start:end])

    def _all(self) -> Iterator[_Building]:
        """Yield every building of every estate."""
        for buildings in self._buildings.values():
            yield from buildings


@cache
def _name_pattern() -> re.Pattern[str]:
    """Return the pattern of a building's name in the gazetteer: estate, number and the word for it."""
    names = WORDS["names"]
    block, street = names["block"], names["street"]
    return re.compile(rf"(?P<estate>.*?[^\d])(?P<number>{NUMBER})(?:(?P<block>{block})|(?P<street>{street}))")


def _parse_building(name: str, place: NamedPlace) -> _Building | None:
    """Return the parts of a building's name; None when it is no such name."""
    match = _name_pattern().fullmatch(name)
    if match is None or (number := read_number(match["number"])) is None:
        return None
    return _Building(place, match["estate"].strip(), number, on_street=match["street"] is not None)
