"""Conditions of Exim that come to the same for every message (Exim specification, 11.7 and 43.25)."""

import re
from collections.abc import Callable, Iterator, Mapping

from ..lazy import pattern
from ..model import decimal

_YES, _NO = frozenset({"yes", "true"}), frozenset({"no", "false", ""})
_NAME = pattern(r"\s*(!*)\s*([a-z_]+|[<>]=?|==?)")
_IF = pattern(r"\$\{if\b(.*)\}", re.DOTALL)
_NO_CONDITION = pattern(r"\$\{if\s+!?\s*(?:yes|no|true|false|\d+)\b")
"""What an administrator may write, and Exim can't expand."""


def constant(value: str) -> bool | None:
    """Tell what a condition comes to for everything; None where it can differ, or is none."""
    text = value.strip().lower()
    if text in _YES | _NO or text.isdecimal():
        return text not in _NO and text.strip("0") != ""
    found = _IF.fullmatch(value.strip())
    if not found:
        return None
    holds, rest = _condition(found[1])
    answers = [*_braced(rest)]
    yes, no = (answers + ["true", ""][len(answers) :])[:2]
    return None if holds is None else constant(yes if holds else no)


def is_broken(value: str) -> bool:
    """Tell whether Exim can't evaluate a condition; it defers the command then."""
    text = value.strip().lower()
    is_word = bool(text) and "$" not in text and text not in _YES | _NO and not text.lstrip("-").isdecimal()
    return is_word or bool(_NO_CONDITION.match(text))


def _condition(text: str) -> tuple[bool | None, str]:
    """Return what the first condition of a text comes to, and what stands behind it."""
    found = _NAME.match(text)
    look = _CONDITIONS.get(found[2]) if found else None
    if not found or not look:
        return None, ""
    rest = text[found.end() :]
    words = [*_braced(rest)][: look[0]]
    holds = look[1](words) if len(words) == look[0] else None
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


def _compared(words: list[str], same: Callable[[str, str], bool]) -> bool | None:
    return None if any("$" in word for word in words) else same(*words)


def _numbers(words: list[str], same: Callable[[int, int], bool]) -> bool | None:
    numbers = [number for word in words if (number := decimal(word.strip())) is not None]
    return same(*numbers) if len(numbers) == len(words) else None


def _all(words: list[str]) -> bool | None:
    answers = [_condition(word)[0] for word in _braced(words[0])]
    return False if False in answers else None if None in answers else True


def _any(words: list[str]) -> bool | None:
    answers = [_condition(word)[0] for word in _braced(words[0])]
    return True if True in answers else None if None in answers else False


_CONDITIONS: Mapping[str, tuple[int, Callable[[list[str]], bool | None]]] = {
    "and": (1, _all),
    "or": (1, _any),
    "bool": (1, lambda words: constant(words[0])),
    "bool_lax": (1, lambda words: None if "$" in words[0] else words[0].strip().lower() not in {*_NO, "0"}),
    "eq": (2, lambda words: _compared(words, lambda a, b: a == b)),
    "eqi": (2, lambda words: _compared(words, lambda a, b: a.lower() == b.lower())),
    **dict.fromkeys(("=", "=="), (2, lambda words: _numbers(words, lambda a, b: a == b))),
    ">": (2, lambda words: _numbers(words, lambda a, b: a > b)),
    "<": (2, lambda words: _numbers(words, lambda a, b: a < b)),
    ">=": (2, lambda words: _numbers(words, lambda a, b: a >= b)),
    "<=": (2, lambda words: _numbers(words, lambda a, b: a <= b)),
}
"""How many words a condition has in braces, and what it comes to."""
