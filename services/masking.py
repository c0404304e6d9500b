"""What others may see of a text: phones, identity numbers, doors and names are starred out.

Source: domain.md §0.6 (groups see the public half only). The words it looks for are data, in texts/masking.toml.
Where a number may or may not be private, it is masked: a star too many costs less than a leak.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

STARS = "****"

_WORDS: dict[str, Any] = tomllib.loads((Path(__file__).parents[1] / "texts" / "masking.toml").read_text("utf-8"))
_COMPOUND_SURNAMES = frozenset(_WORDS["compound_surnames"])
_SAME: dict[str, str] = _WORDS["same"] | _WORDS["digits"]
_HOTLINES = frozenset({"110", "119", "120", "122"})

_INVISIBLE = "\u200b"
_CHECK_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_CHECK_DIGITS = "10X98765432"
_FIRST_PROVINCE, _LAST_PROVINCE = 11, 91


@lru_cache(maxsize=4096)
def _fold_character(character: str) -> str:
    """Return the one plain character that this one stands for."""
    category = unicodedata.category(character)
    if category in ("Cf", "Mn", "Me"):  # zero-width and combining: invisible between digits
        return _INVISIBLE
    if category == "Pd" or character == "\u2212":
        return "-"
    if category == "Zs" or character == "\t":
        return " "
    value = unicodedata.decimal(character, None)
    if value is not None:
        return str(value)
    plain = unicodedata.normalize("NFKC", character).upper()
    if len(plain) != 1:
        plain = character
    return _SAME.get(plain, plain)


def _fold(text: str) -> str:
    """Return the text in plain characters, each at the place of its original."""
    return "".join(map(_fold_character, text))


def _compile(pattern: str) -> re.Pattern[str]:
    """Compile a pattern whose `<name>` holes are filled from the data file."""
    pieces = _BUILT_IN | {name: piece.replace("\n", "") for name, piece in _WORDS["pieces"].items()}
    # Twice, because a built-in piece may hold one of the file's.
    for _ in range(2):
        pattern = re.sub(r"<(\w+)>", lambda hole: f"(?:{pieces[hole[1]]})", pattern)
    return re.compile(pattern)


_BUILT_IN = {
    "separator": r"[ \-._·()" + _INVISIBLE + r"]",
    "gaps": r"[ \-._·()" + _INVISIBLE + r"]{0,3}",
    "between": r"[ \-,#" + _INVISIBLE + r"]{0,3}",
    "door": r"[A-Z]?\d{3,4}[A-Z]?(?![A-Z\d]|[.:]\d)",
    "no_amount": r"(?![ ]?<counted>)",
}

# A code of our own: its digits are a date and a sequence (domain.md §1, Ids).
_CODE = _compile(
    r"(?<![A-Z\d])[A-Z]{2,3}-?20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:-\d{3,5}|\d{4})(?!\d)",
)
_DATE = _compile(r"(?<![\d.\-])(?:19|20)\d\d[-./](?:0?[1-9]|1[0-2])[-./](?:0?[1-9]|[12]\d|3[01])(?!\d)")
# What mask_phone left of a number in an earlier round.
_MASKED_PHONE = _compile(r"(?<![\d*])\d{3}\*{4}\d{4}(?![\d*])")


def _digits(text: str) -> str:
    return re.sub(r"[^\dX]", "", text)


def _is_identity_number(written: str) -> bool:
    """Return whether 18 characters carry the right check digit, or 15 digits a possible birthday."""
    number = _digits(written)
    if not _FIRST_PROVINCE <= int(number[:2]) <= _LAST_PROVINCE:
        return False
    if len(number) == 15:
        # Without a check digit, only the usual spacing tells it from a list of numbers.
        return len(re.findall(r"\d+", written)) <= 3 and _is_birthday("19" + number[6:12])
    total = sum(int(digit) * weight for digit, weight in zip(number, _CHECK_WEIGHTS, strict=False))
    return _is_birthday(number[6:14]) and _CHECK_DIGITS[total % 11] == number[17]


def _is_birthday(digits: str) -> bool:
    return digits[:2] in ("18", "19", "20") and 1 <= int(digits[4:6]) <= 12 and 1 <= int(digits[6:8]) <= 31


def _looks_like_identity_number(found: re.Match[str]) -> bool:
    number = _digits(found[1])
    # A mistyped check digit is no less private.
    return _is_birthday(number[6:14]) if len(number) == 18 else _is_identity_number(found[1])


def _looks_like_mobile(found: re.Match[str]) -> bool:
    """Return whether the digits are grouped as people group a phone, and not a list of other numbers."""
    groups = re.findall(r"\d+", found[2].replace(_INVISIBLE, ""))
    return len(groups) == 11 or len(groups) <= (5 if len(groups[0]) >= 3 else 4)


def _is_no_list_of_years(found: re.Match[str]) -> bool:
    return not all(re.fullmatch(r"(?:19|20)\d\d", group) for group in re.findall(r"\d+", found[1]))


def _is_no_date(found: re.Match[str]) -> bool:
    digits = _digits(found[1])
    return not (len(digits) == 8 and _is_birthday(digits))


def _is_door(found: re.Match[str]) -> bool:
    """Return whether the number is no hotline, and no count of households."""
    number = re.sub(r"\D", "", found[1])
    counts = _HOUSEHOLD.match(found.string, found.end(1)) is not None
    return number not in _HOTLINES and (_is_room_form(found) or not counts)


def _is_room_form(found: re.Match[str]) -> bool:
    """Return whether the number is a floor and one of its twenty first rooms, and no hotline."""
    number = re.sub(r"\D", "", found[1])
    return number not in _HOTLINES and 1 <= int(number[-2:]) <= 20


_HOUSEHOLD = _compile(r"[ ]?<household>")


@dataclass(frozen=True)
class _Rule:
    """Group 1 of `pattern` is replaced by `stars`, where `accepts` agrees; `over_dates`: also inside a date."""

    pattern: re.Pattern[str]
    stars: Callable[[str], str] = lambda _private: STARS
    accepts: Callable[[re.Match[str]], bool] = lambda _found: True
    over_dates: bool = False


def _plate_stars(_: str) -> str:
    return "*****"


def _door_stars(_: str) -> str:
    return "***"


def mask_phone(phone: str) -> str:
    """Return the first three and last four digits around four stars: 138****8000; a short number is all stars."""
    digits = re.sub(r"\D", "", _fold(phone))
    mobile = re.fullmatch(r"(?:(?:00)?86|0)?(1[3-9]\d{9})", digits)
    if mobile:
        digits = mobile[1]
    return f"{digits[:3]}{STARS}{digits[-4:]}" if len(digits) >= 11 else STARS


_MOBILE = _compile(r"(?=(?<!\d)((?:(?:\+|00)?86<gaps>|0)?(1<gaps>[3-9](?:<gaps>\d){9})(?!\d)))")
_IDENTITY_18 = _compile(r"(?=(?<!\d)([1-9](?:<gaps>\d){16}<gaps>[\dX](?!\d)))")
_IDENTITY_15 = _compile(r"(?=(?<!\d)([1-9](?:<gaps>\d){14}(?!\d)))")

# The order is the precedence: a rule gets only what none before it took.
_RULES = (
    _Rule(_compile(r"([A-Z\d._%+\-]{1,64}@[A-Z\d\-]{1,63}(?:\.[A-Z\d\-]{1,63}){1,4})")),
    _Rule(_IDENTITY_18, accepts=_looks_like_identity_number, over_dates=True),
    _Rule(_IDENTITY_15, accepts=_looks_like_identity_number, over_dates=True),
    _Rule(_MOBILE, stars=mask_phone, accepts=_looks_like_mobile),
    _Rule(_compile(r"(?<![\d,])(1[3-9]\d[,、/]\d{4}[,、/]\d{4})(?!\d)"), stars=mask_phone),
    _Rule(
        _compile(r"(?<!\d)(\d{4}(?:<separator>{1,2}\d{4}){3}(?:<separator>{1,2}\d{1,3})?)(?!\d)"),
        accepts=_is_no_list_of_years,
    ),
    _Rule(_compile(r"(?<!\d)(\d{11,}X?)")),
    _Rule(
        _compile(r"(?<!\d)(\(?(?:\+86<gaps>0?|0)\d{2,3}<gaps>[2-9]\d{2,3}[ \-]?\d{4}(?:<extension>\d{1,5})?)(?!\d)"),
    ),
    _Rule(_compile(r"<telephone>[^\d*]{0,6}(\d{7,8}|\d{3,4}[ \-]\d{4})(?!\d)<no_amount>"), accepts=_is_no_date),
    _Rule(_compile(r"(?<![\dA-Z.,#¥$*\-])([2-8]\d{6,7})(?![\d*]|\.\d)<no_amount>"), accepts=_is_no_date),
    _Rule(_compile(r"<messenger><messenger_filler>{0,5}([A-Z][A-Z\d_\-]{5,19}|\d{5,12})(?![A-Z\d_])<no_amount>")),
    _Rule(
        _compile(r"<provinces>[A-Z][ ·.\-]?((?=[A-Z]{0,4}\d)(?:[A-Z\d]{5,6}|[A-Z\d]{4}<plate_tail>))(?![A-Z\d])"),
        stars=_plate_stars,
    ),
    _Rule(_compile(r"(?<!\d)([A-Z]?\d{3,4}[A-Z]?)(?=[ ]?<room>)"), stars=_door_stars),
    _Rule(_compile(r"(?:<unit>|<building>)<between>(\d{1,2})(?=<room>)(?!<room>\d)"), stars=_door_stars),
    _Rule(_compile(r"<unit><between>(<door>|0\d(?![\d:.]))<no_amount>"), stars=_door_stars, accepts=_is_door),
    _Rule(_compile(r"<building><between>(<door>)(?!-\d)<no_amount>"), stars=_door_stars, accepts=_is_door),
    # 3-2-501 and 5-501, with or without the words between
    _Rule(
        _compile(r"(?<![A-Z\d\-.:/])[A-Z\d]\d{0,2}<building>?[\-/]\d{1,2}<unit>?[\-/](<door>)(?!-\d)<no_amount>"),
        stars=_door_stars,
        accepts=_is_door,
    ),
    _Rule(
        _compile(r"(?<![A-Z\d\-.:/])[A-Z\d]\d{0,2}-(<door>)(?!-)<no_amount>"),
        stars=_door_stars,
        accepts=_is_room_form,
    ),
    _Rule(_compile(r"<building><between>\d{1,2}-(<door>)(?!-)<no_amount>"), stars=_door_stars, accepts=_is_door),
    _Rule(_compile(r"<street_number><between>(<door>)<no_amount>"), stars=_door_stars, accepts=_is_room_form),
    _Rule(_compile(r"<home>(?:<is>|[ ]){0,3}(<door>)(?!<street_sign>)<no_amount>"), stars=_door_stars, accepts=_is_door),
    _Rule(_compile(r"<beside>(?:<is>|[ ]){0,2}(<door>)<no_amount>"), stars=_door_stars, accepts=_is_room_form),
    _Rule(_compile(r"(?<![\dA-Z.#*\-])(<door>)(?=<is>?<whose>)"), stars=_door_stars, accepts=_is_room_form),
    _Rule(_compile(r"<floor><between>(<side>)"), stars=_door_stars),
)


def mask(text: str, names: Iterable[str] = ()) -> str:
    """Return the text as others may see it; masking it again changes nothing.

    Starred out: phones, identity and card numbers, door numbers, number plates, messenger names, e-mail addresses
    and the given names of `names`. Buildings, codes, task numbers, dates, prices and hotlines stay.
    """
    known = sorted(set(names), key=lambda name: (-len(name), name))
    rules = (*(rule for name in known if (rule := _name_rule(name))), *_RULES)
    # What a star uncovers is looked at again; it ends because every round leaves fewer readable characters.
    while (masked := _mask_once(text, rules)) != text:
        text = masked
    return text


def _marked(folded: str, *patterns: re.Pattern[str]) -> bytearray:
    """Return one byte for each character, 1 where any of the patterns matches."""
    marks = bytearray(len(folded))
    for pattern in patterns:
        for found in pattern.finditer(folded):
            marks[found.start() : found.end()] = b"\1" * len(found[0])
    return marks


def _mask_once(text: str, rules: Iterable[_Rule]) -> str:
    folded = _fold(text)
    taken = _marked(folded, _CODE, _MASKED_PHONE)
    dates = _marked(folded, _DATE)
    changes: list[tuple[int, int, str]] = []
    for rule in rules:
        for found in rule.pattern.finditer(folded):
            start, end = found.span(1)
            if any(taken[start:end]) or (any(dates[start:end]) and not rule.over_dates):
                continue
            if rule.accepts(found):
                taken[start:end] = b"\1" * (end - start)
                changes.append((start, end, rule.stars(text[start:end])))
    for start, end, stars in sorted(changes, reverse=True):
        text = text[:start] + stars + text[end:]
    return text


@lru_cache(maxsize=1024)
def _name_rule(name: str) -> _Rule | None:
    """Return the rule that finds this name, however it is spaced; None for what is too short to be one."""
    letters = _fold(_visible(name))
    if len(letters) < 2 or "*" in letters:
        return None
    pattern = f"[ {_INVISIBLE}]*".join(map(re.escape, letters))
    if _is_latin(_visible(name)):
        pattern = rf"(?<![A-Z\d]){pattern}(?![A-Z\d])"
    return _Rule(re.compile(f"({pattern})"), stars=lambda _: mask_name(name), over_dates=True)


def _visible(name: str) -> str:
    """Return the name without spaces and characters that nobody sees."""
    return "".join(letter for letter in name if _fold_character(letter) not in (" ", _INVISIBLE))


def _is_latin(name: str) -> bool:
    return unicodedata.name(name[0], "").startswith(("LATIN", "FULLWIDTH LATIN"))


def mask_name(name: str) -> str:
    """Return the surname and always as many stars, however long the name; a Latin one keeps a letter: A***."""
    name = _visible(name)
    if not name:
        return ""
    if _is_latin(name):
        return f"{name[0]}***"
    surname = name[:2] if len(name) > 2 and name[:2] in _COMPOUND_SURNAMES else name[0]
    return f"{surname}**"


def holds_identity_number(text: str) -> bool:
    """Return whether a valid identity number is anywhere in the text: 18 characters by checksum, or 15 by birthday."""
    return any(_is_identity_number(written) for written in _identity_candidates(_fold(text)))


CUT = "▇"
_SHORTEST_CARD = 15
_CUT_RUN = re.compile(CUT + "{15,}")
_CARD_18 = _compile(r"(?=(?<!\d)([1-9](?:<gaps>\d){16}<gaps>[\dX](?!\d)))")
_CARD_15 = _compile(r"(?=(?<!\d)([1-9](?:<gaps>\d){14}(?!\d)))")


def cut_identity_numbers(text: str) -> str:
    """Return the text with every identity number blotted out, sign by sign, so that positions in it stay what they were.

    Blotted: 18 signs that hold a possible birthday where one stands (a mistyped check digit is no less private), 15 digits of the old form.
    Written in groups, the groups or the check digit must say that it is one number: codes, telephones and lists of numbers stay.
    """
    if len(text) < _SHORTEST_CARD:
        return text
    folded = _fold(text)
    codes, taken = _marked(folded, _CODE), bytearray(len(folded))
    for pattern in (_CARD_18, _CARD_15):
        for found in pattern.finditer(folded):
            start, end = found.span(1)
            if not any(codes[start:end]) and not any(taken[start:end]) and _is_identity_card(found):
                taken[start:end] = b"\1" * (end - start)
    blotted = (CUT * (len(sign.encode("utf-16-le")) // 2) if taken[at] else sign for at, sign in enumerate(text))
    return "".join(blotted) if any(taken) else text


def without_cuts(text: str) -> tuple[str, bool]:
    """Return the text without what `cut_identity_numbers` blotted out, and whether there was any."""
    rest = _CUT_RUN.sub(" ", text)
    return (rest.strip(), True) if rest != text else (text, False)


def _is_identity_card(found: re.Match[str]) -> bool:
    written = found[1].replace(_INVISIBLE, "")
    number = _digits(written)
    birthday = number[6:14] if len(number) == 18 else "19" + number[6:12]
    if not _FIRST_PROVINCE <= int(number[:2]) <= _LAST_PROVINCE or not _is_birthday(birthday):
        return False
    groups = [len(_digits(group)) for group in re.split(r"[^\dX]+", written) if group]
    if len(groups) == 1 or (len(number) == 18 and _is_identity_number(written)):
        return True
    if len(number) == 15:
        return groups == [6, 6, 3]
    ends = {sum(groups[: count + 1]) for count in range(len(groups))}
    alike = len(set(groups[:-1])) == 1 and groups[-1] <= groups[0] <= 6
    return {6, 14} <= ends or alike


# Strings under these names are the machine's own: addresses of chats and files, button data. Whatever else is a person's word.
_MACHINE = re.compile(r"id|.*_id|chat_instance|data|file|action|message|reply_to|album|kind|type", re.ASCII)


def cut_from_update(raw: Any) -> Any:
    """Return a platform's update with the identity numbers blotted out of everything a person may have written in it."""
    if isinstance(raw, str):
        return cut_identity_numbers(raw)
    if isinstance(raw, dict):
        return {name: value if _is_machines(name, value) else cut_from_update(value) for name, value in raw.items()}
    return [cut_from_update(value) for value in raw] if isinstance(raw, list | tuple) else raw


def _is_machines(name: object, value: object) -> bool:
    return isinstance(value, str) and _MACHINE.fullmatch(str(name)) is not None


def _identity_candidates(folded: str) -> Iterator[str]:
    for pattern in (_IDENTITY_18, _IDENTITY_15):
        for found in pattern.finditer(folded):
            yield found[1]


@lru_cache(maxsize=1)
def _private_words() -> re.Pattern[str]:
    words = tomllib.loads((Path(__file__).parents[1] / "texts" / "private_words.toml").read_text("utf-8"))
    return re.compile("|".join(f"(?:{word})" for kind in words.values() for word in kind), re.IGNORECASE)


def private_matter(text: str) -> bool:
    """Return whether the text speaks of somebody's health, hardship or family, which no group may read (domain.md §0.6)."""
    seen = "".join(letter for letter in unicodedata.normalize("NFKC", text) if _fold_character(letter) != _INVISIBLE)
    return _private_words().search(seen) is not None


def find_phone(text: str) -> str | None:
    """Return the first mobile number of the text as eleven digits, however it was written; None without one."""
    folded = _fold(text)
    codes = _marked(folded, _CODE)
    for found in _MOBILE.finditer(folded):
        if _looks_like_mobile(found) and not any(codes[found.start(1) : found.end(1)]):
            return re.sub(r"\D", "", found[2])
    return None
