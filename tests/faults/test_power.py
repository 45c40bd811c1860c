"""The power goes at system calls of every verb, and when it has just said that it is done.

Debian: strace.
"""

import shutil

import pytest
from admin import Admin, snapshot
from cli.writing import CASES, Case, prepared

from .after import DONE, kept, wrong
from .conftest import ASKED, Record, chosen, named
from .faults import points, spread
from .power import Image

ON_DISK = [case for case in CASES if "token" not in case.scene]
"""A token has its own disk."""
_LIVES_ON = ("-wal", "-shm", "/lock", ".lock", "lost+found")


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
        stays = kept(admin, beside / "start")
        image.cut()
        done = snapshot(admin.directory)
    with image.mounted(anew=False):
        faulty = acknowledged(ran.status, done, admin)
    found = spread(list(points("SIGKILL", log, str(admin.directory))), ASKED.sample)
    for point in found:
        with image.mounted():
            admin.killed_at(point, *words)
            image.cut()
        with image.mounted(anew=False):
            said = wrong(admin, case, words, stays)
            faulty += [f"{point}: {said}"] if said else []
    record("smtpcreds", fault, len(found) + 1, faulty)
    assert faulty == []


def acknowledged(status: int, done: dict[str, tuple[str, int, int, str]], admin: Admin) -> list[str]:
    """Return what a run said was done and the disk does not have."""
    now = snapshot(admin.directory)
    gone = [path for path, state in done.items() if now.get(path) != state and not path.endswith(_LIVES_ON)]
    return [f"said done, and the disk has not: {gone}"] if status in DONE and gone else []
