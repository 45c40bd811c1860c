"""Editing the administrator's own files when asked to: our lines are added, what stops them is mended.

The former file is kept beside the new one as ``FILE.~1~``, the next as ``FILE.~2~``, as ``cp
--backup=numbered`` names them. A program that can't be told where its lines belong is refused.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from itertools import count

from ..config import Site, parse_settings
from ..errors import ConfigError, UnavailableError
from ..files import (
    check_parents,
    check_target,
    exists,
    is_directory,
    read_public,
    sweep_target,
    write_all,
)
from ..lazy import dataclass
from ..model import Artifact, Owner
from ..mta.program import Copy, Include, Premise, Work
from .check import added, lacking_in, superfluous_in
from .copies import configuration


@dataclass(frozen=True)
class Edit:
    """One file to be edited.

    Attributes:
        path: of this disk.
        kept: where what it said before is kept; empty for a file that there was not.
        artifacts: in the order in which to write them.
    """

    path: str
    kept: str
    artifacts: tuple[Artifact, ...] = field(repr=False)


def edits(site: Site, tasks: Work) -> tuple[Edit, ...]:
    """Return what is to be edited, so that nothing is left to add by hand.

    Raises:
        ConfigError: lines whose place only the administrator knows; nothing was changed.
    """
    names = dict.fromkeys([i.path for i in tasks.includes] + [p.path for p in tasks.premises])
    texts = ((path, _text(path), _edited(tasks, name, path)) for name in names for path in [site.path(name)])
    return tuple(_edit(path, new) for path, old, new in texts if new != old)


_TABLE = r"^[ \t]*\[[ \t]*sasl[ \t]*\].*\n"
_COPIES = r"^[ \t]*copies[ \t]*=[^\[]*\[[^\]]*\][^\n]*\n"


def settings_edit(site: Site, copies: Iterable[Copy]) -> tuple[Edit, ...]:
    """Return what is to be edited in the configuration, so that changes of accounts reach the copies.

    Raises:
        ConfigError: a file in which the place of the line can't be found; nothing was changed.
    """
    return tuple(_with_copies(include) for include in configuration(site, copies))


def _with_copies(include: Include) -> Edit:
    path, line = include.path, f"{include.lines[0]}\n"
    text = _text(path)
    text += "\n" if text and not text.endswith("\n") else ""
    table = re.search(_TABLE, text, re.MULTILINE)
    before, rest = (text[: table.end()], text[table.end() :]) if table else (f"{text}\n[sasl]\n", "")
    made = before + line + re.sub(_COPIES, "", rest, count=1, flags=re.MULTILINE)
    if parse_settings(made, path).sasl.copies != parse_settings(f"[sasl]\n{line}", path).sasl.copies:
        raise ConfigError(path, "has no place for this line that --edit can find", added(include))
    return _edit(path, made)


def cure_commands(site: Site, tasks: Work) -> tuple[str, ...]:
    """Return the commands that what is to be mended needs besides those of the work."""
    found = (premise for premise in tasks.premises if premise.command and premise.mended)
    texts = ((premise, _text(site.path(premise.path))) for premise in found)
    return tuple(premise.command for premise, text in texts if list(premise.faults(text)))


def commands_without(site: Site, tasks: Work) -> tuple[str, ...]:
    """Return the commands that make it effective that lines go; those of the work are for what is there."""
    found = (include for include in tasks.includes if include.command not in {"", *tasks.commands})
    texts = ((include, _text(site.path(include.path))) for include in found)
    return tuple(include.command for include, text in texts if list(superfluous_in(text, include)))


def write_edits(changes: Sequence[Edit]) -> None:
    """Write the files; what a file said before is on disk before it changes."""
    for change in changes:
        for path in filter(None, (change.kept, change.path)):
            sweep_target(path)
        write_all(change.artifacts)


def _text(path: str) -> str:
    """Return what a file says, octets that are no UTF-8 as surrogates; nothing where there is none."""
    return read_public(path).decode(errors="surrogateescape") if exists(path) else ""


def _edited(tasks: Work, name: str, path: str) -> str:
    text = _text(path)
    for include in (include for include in tasks.includes if include.path == name):
        text = _with_lines(path, text, include)
    for premise in (premise for premise in tasks.premises if premise.path == name):
        text = _mended(path, text, premise)
    return text


def _with_lines(path: str, text: str, include: Include) -> str:
    """Return the text with the lines of an include, once.

    Raises:
        UnavailableError: a file that has to hold other lines, too, is not there.
    """
    if not lacking_in(text, include) and not list(superfluous_in(text, include)):
        return text
    if (include.above or include.below != "") and not exists(path):
        reason = "is not there, and is to be edited"
        raise UnavailableError(path, reason, "install the mail program first; its package makes it")
    rest = _unfenced(text, include)
    made = _inserted(include.cleared(rest) if include.cleared else rest, include)
    if lacking_in(made, include):
        raise ConfigError(path, "has no place for these lines that --edit can find", added(include))
    return made


def _inserted(text: str, include: Include) -> str:
    """Return the text with the lines right below, or above, those that tell their place, else at its end."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    if include.below is None:
        return text
    if include.below:
        places = (n + 1 for n, line in enumerate(lines) if line.startswith(include.below))
    else:
        places = (n for n, line in enumerate(lines) if include.above and line.startswith(include.above))
    at = next(places, len(lines))
    return "".join([*lines[:at], *(f"{line}\n" for line in include.text), *lines[at:]])


def _unfenced(text: str, include: Include) -> str:
    """Return the text without what was put there before."""
    return "".join(_outside(text, *include.fence)) if include.fence else text


def _outside(text: str, first: str, last: str) -> Iterator[str]:
    lines = text.splitlines(keepends=True)
    if last not in map(str.rstrip, lines):
        yield from lines
        return
    inside = False
    for line in lines:
        inside = inside or line.rstrip() == first
        if not inside:
            yield line
        inside = inside and line.rstrip() != last


def _mended(path: str, text: str, premise: Premise) -> str:
    """Return the text with the cure; what has none is left, and named when all is done."""
    if premise.mended is None:
        return text
    made = premise.mended(text)
    for what, hint in premise.faults_at(path, made):
        raise ConfigError(path, what, hint)
    return made


def _edit(path: str, text: str) -> Edit:
    """Return the edit of one file, which keeps its mode and owner.

    Raises:
        UnavailableError: its directory is not there, and so the mail program is not.
    """
    directory = os.path.dirname(path)
    if not is_directory(directory):
        reason = f"is not there, and {path} is to be edited"
        raise UnavailableError(directory, reason, "install the mail program first; its package makes it")
    check_parents(path)
    old = check_target(path)
    if old is None:
        return Edit(path, "", (Artifact(path, text.encode(), 0o644),))
    mode = stat.S_IMODE(old.st_mode)
    owner = Owner(old.st_uid, old.st_gid) if os.geteuid() == 0 else None
    former = read_public(path)
    kept, is_new = _backup(path, former)
    new = Artifact(path, text.encode(errors="surrogateescape"), mode, owner, f"edited; {kept} is the former")
    return Edit(path, kept, (*((Artifact(kept, former, mode, owner),) if is_new else ()), new))


def _backup(path: str, former: bytes) -> tuple[str, bool]:
    """Return the first free name, or the last one that a killed run gave to this very content."""
    last = ""
    for number in count(1):
        name = f"{path}.~{number}~"
        if not exists(name):
            break
        last = name
    if last and check_target(last) and read_public(last) == former:
        return last, False
    return name, True
