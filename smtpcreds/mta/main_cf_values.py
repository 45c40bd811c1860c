"""Values of main.cf with others put in: ``$name``, and what is chosen by a condition.

``${name?value}`` is for a name that is set, ``${name:value}`` for one that is not, ``${name?{one}:{other}}``
for either, and ``${{one} == {other} ? {this} : {that}}`` compares (postconf(5), "PARAMETER VALUE SYNTAX").
"""

import re
from collections.abc import Callable

from ..lazy import pattern

_NAME = pattern(r"\$(?:\((\w+)\)|(\w+))")
_CONDITION = pattern(r"\s*(\w+)\s*(?:([?:])(.*))?", re.DOTALL)
_COMPARISON = pattern(r"\s*([=!]=|[<>]=?)(level)?\s*")
_DEPTH = 20
_DOLLAR = "\0"
"""Stands for ``$$``, which is a plain dollar; no value of the file has it."""
_COMPARED: dict[str, Callable[[int], bool]] = {
    "==": lambda sign: sign == 0,
    "!=": lambda sign: sign != 0,
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
}


def expand(text: str, raw: Callable[[str], str], depth: int = _DEPTH) -> str:
    """Return a value with others put in; ``raw`` gives that of a name as it stands.

    A name stands for nothing in its own value: Postfix does not start with such a file.
    """
    if depth == 0:
        return text
    text = text.replace("$$", _DOLLAR)

    def of_name(found: "re.Match[str]") -> str:
        return _value(found[1] or found[2], raw, depth - 1)

    made, rest = "", text
    while (at := rest.find("${")) >= 0:
        inside, after = _braced(rest[at + 1 :])
        made += _NAME.sub(of_name, rest[:at]) + _chosen(inside, raw, depth - 1)
        rest = after
    return (made + _NAME.sub(of_name, rest)).replace(_DOLLAR, "$")


def _value(name: str, raw: Callable[[str], str], depth: int) -> str:
    return expand(raw(name), lambda other: "" if other == name else raw(other), depth)


def _braced(text: str) -> tuple[str, str]:
    """Return what stands in the braces with which a text begins, and what follows them."""
    depth = 0
    for at, letter in enumerate(text):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth == 0:
            return text[1:at], text[at + 1 :]
    return text[1:], ""


def _chosen(inside: str, raw: Callable[[str], str], depth: int) -> str:
    if inside.lstrip().startswith("{"):
        return _compared(inside.strip(), raw, depth)
    found = _CONDITION.fullmatch(inside)
    if found is None:
        return ""
    value = _value(found[1], raw, depth)
    if found[2] is None:
        return value
    one, other = _alternatives(found[3])
    if found[2] == ":":
        one, other = "", one
    return expand(one if value else other, raw, depth)


def _compared(text: str, raw: Callable[[str], str], depth: int) -> str:
    left, rest = _braced(text)
    operator = _COMPARISON.match(rest)
    if operator is None:
        return ""
    right, rest = _braced(rest[operator.end() :])
    one, other = _alternatives(rest.strip().removeprefix("?"))
    sides = [expand(side.strip(), raw, depth) for side in (left, right)]
    return expand(one if _COMPARED[operator[1]](_sign(*sides)) else other, raw, depth)


def _sign(left: str, right: str) -> int:
    """Return how two values compare: as numbers or levels, as ``3.6``, where both are, else as text."""
    if all(re.fullmatch(r"\d+(\.\d+)*", side) for side in (left, right)):
        one, other = ([*map(int, side.split("."))] for side in (left, right))
        return (one > other) - (one < other)
    return (left > right) - (left < right)


def _alternatives(text: str) -> tuple[str, str]:
    """Return what is for yes and for no: ``{one}:{other}``, ``{one}``, or a text for yes alone."""
    text = text.strip()
    if not text.startswith("{"):
        return text, ""
    one, rest = _braced(text)
    rest = rest.strip()
    return one, _braced(rest[1:].strip())[0] if rest.startswith(":") else ""
