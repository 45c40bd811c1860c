"""Where the administrator's own files of Dovecot say something, and the commands that take it out."""

import os
from collections.abc import Mapping
from typing import NamedTuple

from ..lazy import pattern
from ..mta import dovecot_hub
from ..mta.dovecot import are_for
from ..mta.dovecot_text import settings
from ..shell import quote
from .host import DOVECOT_CONF, Host

RELOAD = "doveadm reload"
_SIZE = pattern(r"(\d{1,15})\s*([kmgt]?)b?")
_UNITS = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}


def octets(value: str) -> int:
    """Return a size as Dovecot writes it; 0 for none, and for what is no size."""
    found = _SIZE.fullmatch(value.strip().lower())
    return int(found[1]) * _UNITS[found[2]] if found else 0


class Line(NamedTuple):
    """A setting in a file: its first and last line there, those of the innermost block around it, and itself.

    Where it is in no block, its own are in the place of the block's.
    """

    path: str
    begin: int
    at: int
    to: int
    end: int
    block: tuple[str, ...]
    name: str
    value: str

    def edited(self, command: str) -> str:
        """Return the command that does this to the lines, by a letter and text of sed."""
        return _edited(self.path, self.at, self.to, command)


def _edited(path: str, at: int, to: int, command: str) -> str:
    where = f"{at}" if at == to else f"{at},{to}"
    return f"sed -i {quote(where + command)} {quote(path)} && {RELOAD}"


def files(host: Host) -> list[str]:
    """Return the files of the administrator's that are read, on this disk."""
    paths = dict.fromkeys(origin.path for origin in host.dovecot_lines)
    return [host.path(path) for path in paths if _is_editable(host, path)]


def _is_editable(host: Host, path: str) -> bool:
    directory, fragment = map(host.said, (os.path.dirname(DOVECOT_CONF), dovecot_hub.FRAGMENT))
    return path.startswith(f"{directory}/") and path != fragment


def lines(host: Host) -> list[Line]:
    """Return all settings of these files in the order in which they are read."""
    read = host.dovecot_lines
    text = "\n".join(origin.line for origin in read)
    is_new, found = bool(host.dovecot and host.dovecot.is_new), list[Line]()
    for block, name, value, *numbers in settings(text, is_new=is_new):
        path = read[numbers[1] - 1].path
        if name and _is_editable(host, path):
            begin, at, to, end = (read[number - 1].number for number in numbers)
            found.append(Line(host.path(path), begin, at, to, end, block, name, value))
    return found


def _counting(host: Host, name: str, protocol: str) -> list[Line]:
    """Return the lines that set something for a protocol; the last one counts."""
    found = [line for line in lines(host) if line.name == name]
    own = [line for line in found if are_for(line.block, protocol)]
    places = list(
        dict.fromkeys(line.block for line in own)
    )  # the first counts, one within another before all
    own.sort(key=lambda line: (len(line.block), -places.index(line.block)))
    return [line for line in found if not line.block] + own


def removed(host: Host, name: str, block: tuple[str, ...] | None = None, protocol: str = "smtp") -> str:
    """Return how the last line that sets something goes, in a block of these names, or for a protocol."""
    found = [line for line in lines(host) if line.name == name and line.block == block]
    if block is None:
        found = _counting(host, name, protocol)
    if found:
        return found[-1].edited("d")
    return f"take {name} out of {host.path(DOVECOT_CONF)}, and of what that includes, then: {RELOAD}"


def taken_out(host: Host, name: str) -> str:
    """Return how the last line goes that sets something, in whatever block; or the block of its values."""
    found = [line for line in lines(host) if name in {line.name.removeprefix("passdb_"), *line.block[-1:]}]
    if found and found[-1].block[-1:] == (name,) and found[-1].begin < found[-1].at:
        return _block_removed(found[-1])
    if found:
        return found[-1].edited("d")
    return f"take {name} out of {host.path(DOVECOT_CONF)}, and of what that includes, then: {RELOAD}"


def _block_removed(line: Line) -> str:
    return _edited(line.path, line.begin, line.end, "d")


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
        return own[-1].edited(f"c {name} = {value}")
    if others:
        return _edited(others[-1].path, others[-1].to, others[-1].to, f"a {name} = {value}")
    path = [path for path in files(host) if host.content(path)][-1]
    return f"sed -i {quote(f'$a {name} = {value}')} {quote(path)} && {RELOAD}"


def taken_out_of_passdb(host: Host, options: Mapping[str, str], name: str) -> str:
    """Return how the last line goes that says what a passdb has, for it, or in 2.4 for all."""
    for line in reversed(lines(host)):
        is_said = (line.name.removeprefix("passdb_"), line.value) == (name, options[name])
        if is_said and _is_for_passdb(line, options.get("name")):
            return line.edited("d")
    return f"take {name} = {options[name]} out of the passdb, then: {RELOAD}"


def _is_for_passdb(line: Line, name: str | None) -> bool:
    """Tell whether a line is for a passdb of a name, or for all; those of 2.3 have none."""
    if not line.block:
        return line.name.startswith("passdb_")
    heads = [head for head in line.block if head.startswith("passdb ")]
    return bool(heads) if name is None else f"passdb {name}" in heads


def passdb_removed(host: Host, name: str, value: str) -> str:
    """Return how the passdb goes that has a setting with this value; in 2.4 that may begin with passdb_."""
    for line in lines(host):
        if (
            (line.name.removeprefix("passdb_"), line.value) == (name, value)
            and line.block[:1]
            and line.block[-1].startswith("passdb")
            and line.begin != line.at
        ):
            return _block_removed(line)
    return f"take the passdb with {name} = {value} out of the configuration, then: {RELOAD}"
