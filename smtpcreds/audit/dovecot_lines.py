"""Where the administrator's own files of Dovecot say something, and the commands that take it out."""

import os
from collections.abc import Iterator
from typing import NamedTuple

from ..lazy import pattern
from ..mta import dovecot_hub
from ..mta.dovecot import is_for
from ..shell import quote
from .host import DOVECOT_CONF, Host

RELOAD = "doveadm reload"
_SETTING = pattern(r"\s*([\w/]+)\s*=\s*(.*?)\s*")


class Line(NamedTuple):
    """A setting in a file: which, where its block begins and ends, by line numbers, and itself."""

    path: str
    begin: int
    at: int
    end: int
    block: tuple[str, ...]
    name: str
    value: str


def files(host: Host) -> list[str]:
    """Return the files of the administrator's that are read, on this disk; later ones count."""
    directory = f"{os.path.dirname(DOVECOT_CONF)}/"
    read = host.dovecot_files if host.dovecot else []
    return [host.path(path) for path in read if path.startswith(directory) and path != dovecot_hub.FRAGMENT]


def lines(host: Host) -> list[Line]:
    """Return all settings of these files in order."""
    return [line for path in files(host) for line in _lines(host, path)]


def _lines(host: Host, path: str) -> Iterator[Line]:
    text = (host.content(path) or b"").decode(errors="replace").splitlines()
    opened: list[tuple[int, str]] = []
    held: list[list[tuple[int, str, str]]] = [[]]
    for number, line in enumerate(text, 1):
        plain = line.partition("#")[0].strip()
        if plain.endswith("{"):
            opened.append((number, " ".join(plain[:-1].split())))
            held.append([])
        elif plain == "}" and opened:
            block = tuple(name for _, name in opened)
            begin, _ = opened.pop()
            yield from (Line(path, begin, at, number, block, name, value) for at, name, value in held.pop())
        elif setting := _SETTING.fullmatch(plain):
            held[-1].append((number, setting[1], setting[2]))
    yield from (Line(path, at, at, at, (), name, value) for at, name, value in held[0])


def _counting(host: Host, name: str, protocol: str) -> list[Line]:
    """Return the lines that set something for a protocol; the last one counts."""
    found = [line for line in lines(host) if line.name == name]
    own = [line for line in found if len(line.block) == 1 and is_for(line.block[0], protocol)]
    return [line for line in found if not line.block] + own[::-1]  # of blocks the first one counts


def removed(host: Host, name: str, block: tuple[str, ...] | None = None, protocol: str = "smtp") -> str:
    """Return how the last line that sets something goes, in a block of these names, or for a protocol."""
    found = [line for line in lines(host) if line.name == name and line.block == block]
    if block is None:
        found = _counting(host, name, protocol)
    if found:
        return f"sed -i {found[-1].at}d {quote(found[-1].path)} && {RELOAD}"
    return f"take {name} out of {host.path(DOVECOT_CONF)}, and of what that includes, then: {RELOAD}"


def changed(host: Host, name: str, value: str, protocol: str, *, below: str = "") -> str:
    """Return how the line that sets something gets another value; without one, a line is added.

    Args:
        host: whose.
        name: of the setting.
        value: that it gets.
        protocol: for which it has to count.
        below: the setting whose line a new one follows; empty for the end of what the administrator has.
    """
    own, others = _counting(host, name, protocol), _counting(host, below, protocol)
    if own:
        path, edit = own[-1].path, f"{own[-1].at}c {name} = {value}"
    elif others:
        path, edit = others[-1].path, f"{others[-1].at}a {name} = {value}"
    else:
        path, edit = [path for path in files(host) if host.content(path)][-1], f"$a {name} = {value}"
    return f"sed -i {quote(edit)} {quote(path)} && {RELOAD}"


def passdb_removed(host: Host, name: str, value: str) -> str:
    """Return how the passdb goes that has a setting with this value; in 2.4 that may begin with passdb_."""
    for line in lines(host):
        if (
            (line.name.removeprefix("passdb_"), line.value) == (name, value)
            and line.block[:1]
            and line.block[-1].startswith("passdb")
        ):
            return f"sed -i {line.begin},{line.end}d {quote(line.path)} && {RELOAD}"
    return f"take the passdb with {name} = {value} out of the configuration, then: {RELOAD}"
