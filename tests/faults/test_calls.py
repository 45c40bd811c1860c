"""Every verb that writes meets each fault at its system calls; the same command goes on.

Debian: strace.
"""

import shutil
from pathlib import Path

import pytest
from admin import KILLED, Admin, Ran
from cli.writing import CASES, Case, prepared
from kills import Point

from .after import Measure, again, ill_ended, measured, wrong
from .conftest import ASKED, Record, chosen, named
from .faults import FAULTS, injection, points, spread


@pytest.mark.parametrize(
    ("case", "fault"), chosen([(case, fault) for case in CASES for fault in FAULTS]), ids=named
)
def test_the_same_command_goes_on(
    case: Case, fault: str, request: pytest.FixtureRequest, record: Record
) -> None:
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
    found = spread(list(points(fault, log, str(admin.directory))), ASKED.sample)
    faulty = [said for point in found if (said := at(point, fault, admin, words, start, measure))]
    record("smtpcreds", fault, len(found), faulty)
    assert faulty == []


def at(point: Point, fault: str, admin: Admin, words: list[str], start: Path, measure: Measure) -> str:
    """Bring the fault about at a point; return what is wrong then, if something is."""
    again(admin, start)
    ran, log = admin.traced(words, {}, injection(fault, point))
    if ran.status in KILLED:
        said = wrong(admin, words, measure)
    elif "(INJECTED)" not in log:
        said = "not reached"
    else:
        said = ill_ended(ran, admin, measure) or wrong(admin, words, measure)
    return f"{point}: {said}" if said else ""
