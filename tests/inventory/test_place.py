"""Where the file lies: modes, owners, links, read-only places, full disks."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from smtpcreds.errors import MissingInputError, UnsafePathError, WriteError
from smtpcreds.inventory.inventory import open_inventory

from .facts import add_authority, intent, issue, serials
from .processes import in_namespace, started


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "inventory.sqlite3"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_every_file_is_private_under_any_umask(path: Path, umask: int) -> None:
    with open_inventory(path) as inventory:
        add_authority(inventory)
        names = sorted(item.name for item in path.parent.iterdir())
        assert names == [path.name, f"{path.name}-shm", f"{path.name}-wal"]
        assert {mode(item) for item in path.parent.iterdir()} == {0o600}
    assert mode(path.parent) == 0o700


def test_missing_parents_are_not_writable_by_others(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with open_inventory(tmp_path / "var" / "lib" / "state" / "inventory.sqlite3"):
            pass
    finally:
        os.umask(before)
    assert [mode(tmp_path / part) for part in ("var", "var/lib", "var/lib/state")] == [0o755, 0o755, 0o700]


def test_the_file_is_private_from_its_first_moment(path: Path) -> None:
    """As the kernel tells it: created 0600 and exclusively, before a byte is written."""
    code = "import os, sys; os.umask(0)\nfrom smtpcreds.inventory.inventory import open_inventory\n"
    code += "with open_inventory(sys.argv[1]): pass"
    trace = path.parent.parent / "trace"
    command = ["strace", "-qq", "-o", str(trace), "-e", "trace=openat,open,creat"]
    subprocess.run([*command, sys.executable, "-c", code, str(path)], check=True)
    ours = [line for line in trace.read_text().splitlines() if f'{path}"' in line or f"{path}-" in line]
    first, *rest = [line for line in ours if "O_CREAT" in line]
    assert "O_EXCL" in first
    assert first.split(", ")[-1].startswith("0600")
    assert all(line.split(", ")[-1].startswith("0600") for line in rest), rest


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_symbolic_link_is_refused_and_not_followed(path: Path, suffix: str, read_only: bool) -> None:
    target = path.parent.parent / "target"
    target.touch(0o600)
    with open_inventory(path):
        pass
    planted = Path(f"{path}{suffix}")
    planted.unlink(missing_ok=True)
    planted.symlink_to(target)
    with pytest.raises(UnsafePathError, match="symbolic link"), open_inventory(path, read_only=read_only):
        pass
    assert target.stat().st_size == 0


def test_a_dangling_link_is_refused_and_makes_no_file(path: Path) -> None:
    path.parent.mkdir(0o700)
    path.symlink_to(path.parent / "elsewhere")
    with pytest.raises(UnsafePathError, match="symbolic link"), open_inventory(path):
        pass
    assert os.listdir(path.parent) == [path.name]


def test_a_linked_or_loose_directory_is_refused(path: Path, tmp_path: Path) -> None:
    with open_inventory(path):
        pass
    (tmp_path / "link").symlink_to(path.parent)
    with pytest.raises(UnsafePathError, match="symbolic link"), open_inventory(tmp_path / "link" / path.name):
        pass
    path.parent.chmod(0o770)
    with pytest.raises(UnsafePathError, match="writable by its group"), open_inventory(path):
        pass


def test_a_directory_in_the_place_of_the_file_is_refused(path: Path) -> None:
    path.mkdir(0o700, parents=True)
    with pytest.raises(UnsafePathError, match="not a regular file"), open_inventory(path):
        pass


def test_a_pipe_in_the_place_of_the_file_is_refused(path: Path) -> None:
    path.parent.mkdir(0o700)
    os.mkfifo(path, 0o600)
    with pytest.raises(UnsafePathError, match="not a regular file"), open_inventory(path):
        pass


@pytest.mark.parametrize("loose", [0o640, 0o604, 0o666])
def test_a_loose_mode_is_refused_with_the_cure(path: Path, loose: int) -> None:
    with open_inventory(path):
        pass
    path.chmod(loose)
    with pytest.raises(UnsafePathError, match=f"mode {loose:04o}") as caught, open_inventory(path):
        pass
    assert caught.value.hint == f"chmod 0600 {path}"


def test_a_hard_link_is_refused(path: Path, tmp_path: Path) -> None:
    with open_inventory(path):
        pass
    os.link(path, tmp_path / "second")
    with pytest.raises(UnsafePathError, match="2 hard links"), open_inventory(path):
        pass


TELL = """
import sys
from smtpcreds.errors import SmtpcredsError
from smtpcreds.inventory.inventory import open_inventory
try:
    with open_inventory(sys.argv[1], read_only=%s) as inventory:
        print(*[row.serial for row in inventory.listing()])
except SmtpcredsError as error:
    print(type(error).__name__, error)
"""


def test_a_foreign_owner_is_refused(path: Path) -> None:
    if os.geteuid() != 0:  # in a user namespace the files of root belong to the overflow user
        told = in_namespace('"$1" -c "$2" /etc/inventory.sqlite3', TELL % False).stdout
        assert told.startswith("UnsafePathError /etc: belongs to ")
        return
    fill(path)
    for foreign in (path, path.parent):
        os.chown(foreign, 12345, -1)
        with pytest.raises(UnsafePathError, match="belongs to uid 12345"), open_inventory(path):
            pass
        os.chown(foreign, 0, -1)


def fill(path: Path) -> None:
    with open_inventory(path) as inventory:
        issue(inventory, intent(add_authority(inventory), "01"))


READ_ONLY_MOUNT = 'mount --bind "$3" "$3"; mount -o remount,bind,ro "$3"; "$1" -c "$4" "$2"'


def test_a_read_only_file_system_can_be_read(path: Path) -> None:
    fill(path)
    before = path.read_bytes()
    reading = in_namespace(READ_ONLY_MOUNT, str(path), str(path.parent), TELL % True)
    writing = in_namespace(READ_ONLY_MOUNT, str(path), str(path.parent), TELL % False)
    assert reading.stdout == "01\n", reading.stderr
    assert writing.stdout.startswith("WriteError"), writing.stdout + writing.stderr
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


def test_a_read_only_view_of_a_live_database_can_be_read(path: Path) -> None:
    fill(path)
    with open_inventory(path) as inventory:
        issue(inventory, intent(inventory.authorities()[0].id, "02", days=400))
        reading = in_namespace(READ_ONLY_MOUNT, str(path), str(path.parent), TELL % True)
    assert reading.stdout == "01 02\n", reading.stderr


KILLED = """
import os, signal, sys
from smtpcreds.inventory.inventory import open_inventory
with open_inventory(sys.argv[1]) as inventory:
    inventory.retire_authority(1)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_read_only_view_of_what_a_killed_process_left_can_be_read(path: Path) -> None:
    fill(path)
    started(KILLED, str(path)).communicate()
    assert sorted(os.listdir(path.parent)) == [path.name, f"{path.name}-shm", f"{path.name}-wal"]
    reading = in_namespace(READ_ONLY_MOUNT, str(path), str(path.parent), TELL % True)
    assert reading.stdout == "01\n", reading.stderr
    Path(f"{path}-shm").unlink()
    reading = in_namespace(READ_ONLY_MOUNT, str(path), str(path.parent), TELL % True)
    assert reading.stdout.startswith("WriteError"), reading.stderr


def test_reading_where_nothing_is_names_the_first_step(path: Path) -> None:
    steps: list[Callable[[], None]] = [
        lambda: None,
        lambda: path.parent.mkdir(0o700),
        lambda: path.touch(0o600),
    ]
    for step in steps:
        step()
        with pytest.raises(MissingInputError) as caught, open_inventory(path, read_only=True):
            pass
        assert (caught.value.hint or "").startswith("start with: smtpcreds ca init")
    assert os.listdir(path.parent) == [path.name]


def test_reading_only_can_not_write(path: Path) -> None:
    fill(path)
    with open_inventory(path, read_only=True) as inventory, pytest.raises(WriteError):
        inventory.retire_authority(1)


def test_an_empty_file_is_filled(path: Path) -> None:
    path.parent.mkdir(0o700)
    path.touch(0o600)
    fill(path)
    with open_inventory(path, read_only=True) as inventory:
        assert serials(inventory.listing()) == ["01"]
