"""Faults of system calls: which there are, and at which calls of a run each can come about."""

import errno
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeVar

from kills import CALLS, FLUSHES, NAMES, OPENS, STATES, WRITES, Point
from syscalls import KILL

_P = TypeVar("_P")
_LINE = re.compile(r"(?:\d+ +)?(?P<call>\w+)\(")
_MAKES = re.compile(r"^creat\(|\bO_(?:CREAT|TRUNC|TMPFILE)\b")
_CHANGES = re.compile(r"^creat\(|\bO_(?:CREAT|TRUNC|TMPFILE|RDWR|WRONLY)\b")
_HERE = re.compile(r'AT_FDCWD<[^>]*>, "/')
"""The working directory before an absolute path, which does not go through it."""
_ANY = re.compile("")
_TAKES_ROOM = (
    f"{WRITES} {FLUSHES} {OPENS} rename renameat renameat2 link linkat mkdir mkdirat symlink symlinkat"
)


class Fault(NamedTuple):
    """One fault: how strace brings it about, the calls that may have it, and the opens among them."""

    inject: str
    calls: frozenset[str]
    opens: re.Pattern[str]


def _fault(inject: str, calls: str, opens: re.Pattern[str]) -> Fault:
    return Fault(inject, frozenset(calls.split()), opens)


FAULTS = {
    "SIGKILL": Fault("signal=KILL", frozenset(CALLS), _MAKES),
    "ENOSPC": _fault("error=ENOSPC", _TAKES_ROOM, _MAKES),
    "EDQUOT": _fault("error=EDQUOT", _TAKES_ROOM, _MAKES),
    "EIO": Fault("error=EIO", frozenset(CALLS), _ANY),
    "EROFS": _fault("error=EROFS", f"{NAMES} {STATES} {OPENS} truncate", _CHANGES),
    "EMFILE": _fault("error=EMFILE", OPENS, _ANY),
    "EINTR": _fault("error=EINTR", f"{WRITES} {FLUSHES} {OPENS}", _ANY),
}


def answer(name: str) -> int:
    """Return how a call goes on that has a fault; see :mod:`syscalls`."""
    return KILL if name == "SIGKILL" else int(getattr(errno, name))


def injection(name: str, point: Point) -> str:
    """Return what strace takes for a fault at a point."""
    return f"{point.call}:{FAULTS[name].inject}:when={point.number}"


def points(name: str, log: str, place: str) -> Iterator[Point]:
    """Yield where the fault can come about in a run that strace logged, at files below a place alone.

    Each call is counted by itself, and in each process by itself, as strace does it.
    """
    fault = FAULTS[name]
    seen: Counter[tuple[str, str]] = Counter()
    told = set()
    for line in log.splitlines():
        if not (match := _LINE.match(line)):
            continue
        line = _HERE.sub('"/', line)
        call, process = match["call"], line.partition(" ")[0] if line[0].isdigit() else ""
        seen[process, call] += 1
        point = Point(call, seen[process, call], line)
        if call in fault.calls and place in line and point not in told and _is_of(fault, point):
            told.add(point)
            yield point


def _is_of(fault: Fault, point: Point) -> bool:
    return point.call not in OPENS.split() or bool(fault.opens.search(point.text))


def spread(found: Sequence[_P], sample: int) -> Sequence[_P]:
    """Return so many of the points, evenly spread; 0 means all. Those of 9 hold those of 3, and so on."""
    if not sample or sample >= len(found):
        return found
    return [found[(2 * number + 1) * len(found) // (2 * sample)] for number in range(sample)]
