"""What a command costs beside its peer: both in turn in one run, the median of each, and our memory."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

PROGRAM = (sys.executable, "-m", "smtpcreds")
Command = Callable[[int], Sequence[str]]
"""The words of a command; the number of the round makes names that are not taken."""


@dataclass(frozen=True)
class Cost:
    """Of one run: seconds on the clock, seconds of processor time, and MB of memory at most."""

    wall: float
    processor: float
    memory: float


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        what: was done.
        peer: what the same was done with; empty where nobody does it.
        ours: the medians of ours.
        theirs: the medians of the peer.
        goal: the ratio of seconds to reach; 0 where none is set.
    """

    what: str
    ours: Cost
    peer: str = ""
    theirs: Cost | None = None
    goal: float = 0

    @property
    def ratio(self) -> float:
        """Seconds of ours to those of the peer."""
        return self.ours.wall / self.theirs.wall if self.theirs else 0


def environment() -> dict[str, str]:
    """Return the environment in which the program is compiled once, as an installed one is."""
    return {name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def cost(command: Sequence[str], *, stdin: bytes = b"", where: Path | None = None) -> Cost:
    """Run a command and return what it cost; one that fails ends the benchmark."""
    start = time.perf_counter()
    child = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=where,
        env=environment(),
    )
    assert child.stdin
    assert child.stderr
    child.stdin.write(stdin)
    child.stdin.close()
    said = child.stderr.read()
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command}: {child.returncode}\n{said.decode(errors='replace')}")
    return Cost(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def middle(costs: Sequence[Cost]) -> Cost:
    """Return the medians; of memory the most."""
    return Cost(
        median(one.wall for one in costs),
        median(one.processor for one in costs),
        max(one.memory for one in costs),
    )


def in_turn(
    what: str,
    ours: Callable[[int], Cost],
    peer: str = "",
    theirs: Callable[[int], Cost] | None = None,
    *,
    rounds: int = 9,
    goal: float = 0,
) -> Figure:
    """Measure ours and the peer in turn; the first round of each warms up and does not count."""
    mine, other = [], []
    for number in range(rounds + 1):
        mine.append(ours(number))
        if theirs:
            other.append(theirs(number))
    return Figure(what, middle(mine[1:]), peer, middle(other[1:]) if other else None, goal)
