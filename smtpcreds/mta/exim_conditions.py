"""Conditions of Exim that come to the same for every message (Exim specification, 11.7 and 43.25)."""

import re
from collections.abc import Callable, Iterator, Mapping

from ..lazy import pattern
from ..model import decimal
from . import exim_hosts

SET = "\0"
"""Stands for the value of a variable that is surely not empty, and otherwise not known."""
Known = Mapping[str, str]
"""Variables by name."""
_NOTHING: Known = {}
_YES, _NO = frozenset({"yes", "true"}), frozenset({"no", "false", ""})
_NAME = pattern(r"\s*(!*)\s*([a-z_]+|[<>]=?|==?)")
_DEFINED = pattern(r"\s*(!*)\s*def:(\w+)")
_VARIABLE = pattern(r"\$(?:\{(\w+)\}|(\w+))")
_IF = pattern(r"\$\{if\b(.*)\}", re.DOTALL)
_NO_CONDITION = pattern(r"\$\{if\s+!?\s*(?:yes|no|true|false|\d+)\b")
"""What an administrator may write, and Exim can't expand."""


def constant(value: str, known: Known = _NOTHING) -> bool | None:
    """Tell what a condition comes to by what is known; None where it can differ, or is none."""
    text = expanded(value, known).strip().lower()
    if text in _YES | _NO or text.isdecimal():
        return text not in _NO and text.strip("0") != ""
    return None


def expanded(value: str, known: Known) -> str:
    """Return what a value comes to that is one ``${if``; of another, or where it can differ, itself."""
    found = _IF.fullmatch(value.strip())
    holds, rest = _condition(found[1], known) if found else (None, "")
    if holds is None:
        return value
    answers = [*_braced(rest)]
    yes, no = (answers + ["true", ""][len(answers) :])[:2]
    return expanded(yes if holds else no, known)


def is_broken(value: str) -> bool:
    """Tell whether Exim can't evaluate a condition; it defers the command then."""
    text = value.strip().lower()
    is_word = bool(text) and "$" not in text and text not in _YES | _NO and not text.lstrip("-").isdecimal()
    return is_word or bool(_NO_CONDITION.match(text))


def _condition(text: str, known: Known) -> tuple[bool | None, str]:
    """Return what the first condition of a text comes to, and what stands behind it."""
    if defined := _DEFINED.match(text):
        value = known.get(defined[2])
        holds = None if value is None else (value != "") != (len(defined[1]) % 2 == 1)
        return holds, text[defined.end() :]
    found = _NAME.match(text)
    look = _CONDITIONS.get(found[2]) if found else None
    if not found or not look:
        return None, ""
    rest = text[found.end() :]
    words = [*_braced(rest)][: look[0]]
    holds = look[1](words, known) if len(words) == look[0] else None
    is_negated = len(found[1]) % 2 == 1
    end = sum(len(word) + 2 for word in words)
    behind = re.sub(r"\s*(?=\{)", "", rest)[end:] if words else ""
    return (holds if holds is None else holds != is_negated), behind


def _braced(text: str) -> Iterator[str]:
    """Yield what stands in braces, one behind the other."""
    depth, start = 0, 0
    for place, letter in enumerate(text):
        if letter == "{":
            start = place + 1 if depth == 0 else start
            depth += 1
        elif letter == "}":
            depth -= 1
            if depth == 0:
                yield text[start:place]


def _put(word: str, known: Known) -> str:
    """Return a word with the variables that are known."""
    return _VARIABLE.sub(lambda found: known.get(found[1] or found[2], found[0]), word)


def _compared(words: list[str], same: Callable[[str, str], bool]) -> bool | None:
    """Compare two words; of a value that is only known to be there, no more than that."""
    if any("$" in word for word in words):
        return None
    if any(SET in word for word in words):
        return False if "" in words else None
    return same(*words)


def _numbers(words: list[str], same: Callable[[int, int], bool]) -> bool | None:
    numbers = [number for word in words if (number := decimal(word.strip())) is not None]
    return same(*numbers) if len(numbers) == len(words) else None


def _among(words: list[str]) -> bool | None:
    address, networks = words
    is_address = not set(address) & {"$", SET} and address
    return exim_hosts.includes(networks, address, {}) if is_address else None


def _all(words: list[str], known: Known) -> bool | None:
    answers = [_condition(word, known)[0] for word in _braced(words[0])]
    return False if False in answers else None if None in answers else True


def _any(words: list[str], known: Known) -> bool | None:
    answers = [_condition(word, known)[0] for word in _braced(words[0])]
    return True if True in answers else None if None in answers else False


def _lax(words: list[str]) -> bool | None:
    return None if set(words[0]) & {"$", SET} else words[0].strip().lower() not in {*_NO, "0"}


_Look = Callable[[list[str], Known], bool | None]


def _plain(look: Callable[[list[str]], bool | None]) -> _Look:
    return lambda words, known: look([_put(word, known) for word in words])


def _number(same: Callable[[int, int], bool]) -> tuple[int, _Look]:
    return 2, _plain(lambda words: _numbers(words, same))


_CONDITIONS: Mapping[str, tuple[int, _Look]] = {
    "and": (1, _all),
    "or": (1, _any),
    "bool": (1, lambda words, known: constant(_put(words[0], known), known)),
    "bool_lax": (1, _plain(_lax)),
    "eq": (2, _plain(lambda words: _compared(words, lambda a, b: a == b))),
    "eqi": (2, _plain(lambda words: _compared(words, lambda a, b: a.lower() == b.lower()))),
    "match_ip": (2, _plain(_among)),
    **dict.fromkeys(("=", "=="), _number(lambda a, b: a == b)),
    ">": _number(lambda a, b: a > b),
    "<": _number(lambda a, b: a < b),
    ">=": _number(lambda a, b: a >= b),
    "<=": _number(lambda a, b: a <= b),
}
"""How many words a condition has in braces, and what it comes to."""
