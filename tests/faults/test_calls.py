"""Every verb that writes meets each fault at its system calls; the same command goes on.

Debian: strace.
"""

import shutil
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest
from admin import KILLED, Admin, Ran, snapshot
from cli.writing import CASES, Case, prepared
from kills import Point

from .after import Measure, again, ill_ended, measured, wrong
from .conftest import Record, chosen, grouped, named
from .faults import FAULTS, injection, points


@pytest.mark.parametrize(
    ("case", "faults"),
    grouped(chosen([(case, fault) for case in CASES for fault in FAULTS])),
    ids=named,
)
def test_the_same_command_goes_on(
    case: Case, faults: list[str], request: pytest.FixtureRequest, record: Record
) -> None:
    scene, log = scene_of(case, request)
    faulty = []
    for fault in faults:
        found = list(points(fault, log, str(scene.admin.directory)))
        faulty += record.each("smtpcreds", fault, case, found, partial(at, fault, scene))
    assert faulty == []


class Scene(NamedTuple):
    """A command, a copy of where it begins, and what it does without a fault; a token lies elsewhere."""

    admin: Admin
    words: list[str]
    start: Path
    measure: Measure
    has_token: bool

    @property
    def is_at_start(self) -> bool:
        return not self.has_token and snapshot(self.admin.directory) == snapshot(self.start)


def scene_of(case: Case, request: pytest.FixtureRequest) -> tuple[Scene, str]:
    """Measure a case; return its scene, and the log of strace."""
    admin: Admin = request.getfixturevalue(case.scene)
    words = prepared(admin, case)
    start = admin.directory.with_name(f"{admin.directory.name}-start")
    shutil.copytree(admin.directory, start, symlinks=True)
    log = ""

    def traced() -> Ran:
        nonlocal log
        ran, log = admin.traced(words, {})
        return ran

    measure = measured(admin, words, start, traced)
    return Scene(admin, words, start, measure, "token" in case.scene), log


def at(fault: str, scene: Scene, point: Point) -> str:
    """Bring the fault about at a point; return what is wrong then, if something is.

    Where all is as it was, octet by octet, the same command is what was measured, and does not run again.
    """
    admin, words, start, measure, _ = scene
    again(admin, start)
    ran, log = admin.traced(words, {}, injection(fault, point))
    if ran.status not in KILLED:
        if "(INJECTED)" not in log:
            return f"{point}: not reached"
        if said := ill_ended(ran, admin, measure):
            return f"{point}: {said}"
    said = "" if scene.is_at_start else wrong(admin, words, measure)
    return f"{point}: {said}" if said else ""
