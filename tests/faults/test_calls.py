"""Every verb that writes meets each fault at its system calls; the same command goes on.

Debian: strace.
"""

import shutil
from pathlib import Path

import pytest
from admin import KILLED, Admin
from cli.writing import CASES, Case, prepared
from kills import Point

from .after import Kept, again, ill_ended, kept, wrong
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
    _, log = admin.traced(words, {})
    stays = kept(admin, start)
    found = spread(list(points(fault, log, str(admin.directory))), ASKED.sample)
    faulty = [said for point in found if (said := at(point, fault, admin, case, words, start, stays))]
    record("smtpcreds", fault, len(found), faulty)
    assert faulty == []


def at(point: Point, fault: str, admin: Admin, case: Case, words: list[str], start: Path, stays: Kept) -> str:
    """Bring the fault about at a point; return what is wrong then, if something is."""
    again(admin, start)
    ran, log = admin.traced(words, {}, injection(fault, point))
    if ran.status not in KILLED and "(INJECTED)" not in log:
        said = "not reached"
    elif ran.status not in KILLED and ill_ended(ran):
        said = ill_ended(ran)
    else:
        said = wrong(admin, case, words, stays)
    return f"{point}: {said}" if said else ""
