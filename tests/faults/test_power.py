"""The power goes at system calls of every verb, and when it has just said that it is done.

Debian: strace.
"""

import shutil

import pytest
from admin import Admin, Tree, snapshot
from cli.writing import CASES, Case, prepared
from kills import Point

from .after import measured, wrong
from .conftest import Record, chosen, named
from .faults import points
from .power import Image

ON_DISK = [case for case in CASES if "token" not in case.scene]
"""A token has its own disk."""
_LIVES_ON = ("-wal", "-shm", "/lock", ".lock", "-lock", "lost+found")


@pytest.mark.parametrize(("case", "fault"), chosen([(case, "power loss") for case in ON_DISK]), ids=named)
def test_the_same_command_goes_on(
    case: Case,
    fault: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    record: Record,
) -> None:
    admin: Admin = request.getfixturevalue(case.scene)
    words = prepared(admin, case)
    beside = tmp_path_factory.mktemp("disk")
    shutil.copytree(admin.directory, beside / "start", symlinks=True)
    image = Image(beside / "start", admin.directory, beside / "image")
    with image.mounted():
        ran, log = admin.traced(words, {})
        done = snapshot(admin.directory)
        image.cut()
        measure = measured(admin, words, beside / "start", lambda: ran)
    with image.mounted(anew=False):
        gone = acknowledged(done, admin)
    found = list(points("SIGKILL", log, str(admin.directory)))
    among = ["the end", *found]
    faulty = record.each("smtpcreds", fault, case, ["the end"], lambda _: gone, among=among)

    def at(point: Point) -> str:
        with image.mounted():
            admin.killed_at(point, *words)
            image.cut()
        with image.mounted(anew=False):
            said = wrong(admin, words, measure)
        return f"{point}: {said}" if said else ""

    faulty += record.each("smtpcreds", fault, case, found, at, among=among)
    assert faulty == []


def acknowledged(done: Tree, admin: Admin) -> str:
    """Return what was there when a run said done, and the disk does not have."""
    now = snapshot(admin.directory)
    gone = [path for path, state in done.items() if now.get(path) != state and not path.endswith(_LIVES_ON)]
    return f"said done, and the disk has not: {gone}" if gone else ""
