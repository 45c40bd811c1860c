"""Every verb that writes meets each fault at its system calls; the same command goes on.

Debian: strace.
"""

import errno
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from admin import KILLED, Admin, Ran, snapshot
from cli.writing import CASES, Case, prepared
from kills import CALLS, Point
from syscalls import GO_ON, Registers

from .after import Measure, again, ill_ended, measured, wrong
from .alike import Alike
from .conftest import Outcome, Record, chosen, grouped, named
from .copies import State, copy, state
from .faults import FAULTS, answer, points


@pytest.mark.parametrize(
    ("case", "faults"),
    grouped(chosen([(case, fault) for case in CASES for fault in FAULTS])),
    ids=named,
)
def test_the_same_command_goes_on(
    case: Case,
    faults: list[str],
    request: pytest.FixtureRequest,
    record: Record,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    scene, log = scene_of(case, request)
    faulty = []
    for fault in faults:
        found = list(points(fault, log, str(scene.admin.directory)))
        faulty += record.each("smtpcreds", fault, case, found, hit(fault, scene, found, tmp_path_factory))
    assert faulty == []


def hit(
    fault: str, scene: "Scene", found: list[Point], beside: pytest.TempPathFactory
) -> Callable[[Point], Outcome]:
    """Return what brings a fault about; other processes of a run and tokens live on when it is killed."""
    if fault == "SIGKILL" and scene.alike and "--jobs" not in scene.words:
        return Kills(scene, found, beside.mktemp("killed")).at
    if fault == "EINTR":
        return Interrupted(scene, found).at
    return partial(at, fault, scene)


class Scene(NamedTuple):
    """A command, a copy of where it begins, and what it does without a fault."""

    admin: Admin
    words: list[str]
    start: Path
    measure: Measure
    alike: Alike | None
    """None where a part of the state lies in a token."""

    @property
    def is_at_start(self) -> bool:
        return bool(self.alike) and snapshot(self.admin.directory) == snapshot(self.start)

    def after(self) -> Outcome:
        """Run the command again, unless the state is one after which that is known to go well."""
        if self.is_at_start:
            return Outcome("", same=True)
        keep = self.alike.is_new(self.admin.directory) if self.alike else lambda: None
        if not keep:
            return Outcome("", same=True)
        said = wrong(self.admin, self.words, self.measure)
        if not said:
            keep()
        return Outcome(said)


def scene_of(case: Case, request: pytest.FixtureRequest) -> tuple[Scene, str]:
    """Measure a case; return its scene, and the log of strace."""
    admin: Admin = request.getfixturevalue(case.scene)
    words = prepared(admin, case)
    start = admin.directory.with_name(f"{admin.directory.name}-start")
    start.mkdir()
    copy(admin.directory, start)
    log = ""

    def traced() -> Ran:
        nonlocal log
        ran, log = admin.traced(words, {})
        return ran

    measure = measured(admin, words, start, traced)
    alike = None if "token" in case.scene else Alike(start, ends(admin, words, start))
    return Scene(admin, words, start, measure, alike), log


def ends(admin: Admin, words: list[str], start: Path) -> Iterator[Path]:
    """Yield the directory after each of two runs without a fault."""
    for _ in range(2):
        again(admin, start)
        admin.run(*words)
        yield admin.directory


def at(fault: str, scene: Scene, point: Point) -> Outcome:
    """Bring the fault about at a point; return what is wrong then, if something is."""
    admin, words, start, measure, _ = scene
    again(admin, start)
    reached = False

    def told(_: str, number: int, __: Registers) -> int:
        nonlocal reached
        if number != point.number:
            return GO_ON
        reached = True
        return answer(fault)

    ran = admin.answered(words, [point.call], told)
    if not reached:
        return Outcome(f"{point}: not reached")
    if ran.status not in KILLED and (said := ill_ended(ran, admin, measure)):
        return Outcome(f"{point}: {said}")
    came = scene.after()
    return Outcome(f"{point}: {came.wrong}") if came.wrong else came


class Kills:
    """Kills at points of one run.

    A process that is killed leaves what is on disk at that moment, and nothing else. So a run that stands
    still at each point, while what is there is copied, shows what a kill at each of them leaves.
    """

    def __init__(self, scene: Scene, found: Sequence[Point], beside: Path) -> None:
        self._scene, self._found, self._beside = scene, set(found), beside
        self._left: dict[Point, Path] = {}
        self._came: dict[Path, Outcome] = {}

    def at(self, point: Point) -> Outcome:
        """Return what is wrong after a kill at a point."""
        if not self._left:
            self._look()
        if point not in self._left:
            return Outcome(f"{point}: not reached")
        left = self._left[point]
        if left in self._came:
            came = self._came[left]
            return came if came.wrong else Outcome("", same=True)
        again(self._scene.admin, left)
        came = self._scene.after()
        self._came[left] = Outcome(f"{point}: {came.wrong}") if came.wrong else came
        return self._came[left]

    def _look(self) -> None:
        again(self._scene.admin, self._scene.start)
        before: State = {}
        place = self._beside

        def told(call: str, number: int, _: Registers) -> int:
            nonlocal before, place
            if (point := Point(call, number)) in self._found:
                if (now := state(self._scene.admin.directory)) != before:
                    before, place = now, self._beside / f"{call}-{number}"
                    place.mkdir(parents=True)
                    copy(self._scene.admin.directory, place)
                self._left[point] = place
            return GO_ON

        self._scene.admin.answered(self._scene.words, CALLS, told)


class Interrupted:
    """Calls of one run that are interrupted, each once, and made again at once.

    Where the next call after one that fails with EINTR is the same one, of the same place in the program and
    with the same arguments, the program has not noticed. Then one run in which this happens at every point
    shows what it does at each; a point where the next call is another one has a run of its own.
    """

    def __init__(self, scene: Scene, found: Sequence[Point]) -> None:
        self._scene, self._left = scene, set(found)
        self._came: Outcome | None = None

    def at(self, point: Point) -> Outcome:
        """Return what is wrong after an interruption at a point."""
        while self._came is None:
            hit, noticed = self._run()
            if not noticed and hit == self._left:
                self._came = self._judged()
            self._left = hit - noticed
        if point not in self._left or self._came.wrong:
            return at("EINTR", self._scene, point)
        came, self._came = self._came, Outcome("", same=True)
        return came

    def _run(self) -> tuple[set[Point], set[Point]]:
        """Interrupt every point; return those that were reached, and those that the program noticed."""
        again(self._scene.admin, self._scene.start)
        hit: set[Point] = set()
        noticed: set[Point] = set()
        interrupted: tuple[Point, Registers] | None = None
        made_again: Counter[str] = Counter()

        def told(call: str, number: int, registers: Registers) -> int:
            nonlocal interrupted
            if interrupted:
                before, interrupted = interrupted, None
                if (before[0].call, before[1]) == (call, registers):
                    made_again[call] += 1
                    return GO_ON
                noticed.add(before[0])
            point = Point(call, number - made_again[call])
            if point not in self._left:
                return GO_ON
            hit.add(point)
            interrupted = point, registers
            return errno.EINTR

        calls = [*FAULTS["EINTR"].calls]
        self._ran = self._scene.admin.answered(self._scene.words, calls, told)
        return hit, noticed | ({interrupted[0]} if interrupted else set())

    def _judged(self) -> Outcome:
        said = ill_ended(self._ran, self._scene.admin, self._scene.measure)
        return Outcome(said) if said else self._scene.after()
