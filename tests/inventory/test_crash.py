"""kill -9, full disks, and many at once: nothing acknowledged is lost, nothing half-made stays in the way."""

import contextlib
import random
import signal
import subprocess
import sys
import time
from itertools import count
from pathlib import Path

import pytest

from smtpcreds.errors import WriteError
from smtpcreds.inventory.inventory import Inventory, open_inventory
from smtpcreds.inventory.rows import State

from .facts import NOW, add_authority, intent, issue, serials
from .processes import ENVIRONMENT, in_namespace, started

COMMON = f"""
import os, sys, secrets
from {__package__}.facts import NOW, add_authority, intent, issue, serials, sign
from smtpcreds.errors import SmtpcredsError
from smtpcreds.inventory.rows import Event, serial_text
from smtpcreds.inventory.inventory import open_inventory
"""

WRITER = (
    COMMON
    + """
with open_inventory(sys.argv[1], timeout=600) as inventory:
    while True:
        batch = [serial_text(secrets.randbits(158)) for _ in range(3)]
        inventory.intend([intent(1, serial) for serial in batch])
        with inventory.transaction():
            for serial in batch:
                sign(inventory, 1, serial)
            inventory.issued(1, batch)
            number = inventory.next_crl_number(1)
            inventory.event(Event(NOW, "root", "cert issue", batch[0]))
        os.write(1, f"{number} {' '.join(batch)}\\n".encode())
"""
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "inventory.sqlite3"


def first_line(writer: "subprocess.Popen[bytes]") -> list[str]:
    assert writer.stdout is not None
    return writer.stdout.readline().decode().split()


def acknowledged(writer: "subprocess.Popen[bytes]") -> list[list[str]]:
    """Return the complete lines that a killed writer has printed: CRL number, then its batch."""
    output, errors = writer.communicate()
    assert errors == b"", errors.decode()
    return [line.split() for line in output.decode().splitlines(keepends=True) if line.endswith("\n")]


def test_killed_writers_lose_nothing_that_they_acknowledged(path: Path) -> None:
    with open_inventory(path) as inventory:
        add_authority(inventory)
    said: list[list[str]] = []
    chance = random.Random(1)
    for _ in range(4):
        writers = [started(WRITER, str(path)) for _ in range(2)]
        said += [first_line(writer) for writer in writers]
        time.sleep(chance.uniform(0, 0.2))
        for writer in writers:
            writer.send_signal(signal.SIGKILL)
        said += [line for writer in writers for line in acknowledged(writer)]
    verify(path, said)


def verify(path: Path, said: list[list[str]]) -> None:
    with open_inventory(path) as inventory:
        inventory.verify_integrity()
        issued = set(serials(inventory.listing(state=State.ISSUED)))
        assert {serial for _, *batch in said for serial in batch} <= issued
        assert len({number for number, *_ in said}) == len(said)
        assert len(list(inventory.events())) * 3 == len(issued)
        for row in inventory.pending():
            assert row.fingerprint is None  # signing and issuing went together, so neither is there alone
            inventory.discard(row.authority, row.serial, "interrupted")


CREATOR = (
    COMMON
    + """
with open_inventory(sys.argv[1], timeout=600) as inventory: print(add_authority(inventory, sys.argv[2]))
"""
)


def test_many_may_create_it_at_once(path: Path) -> None:
    creators = [started(CREATOR, str(path), str(number)) for number in range(6)]
    for creator in creators:
        _, errors = creator.communicate()
        assert errors == b"", errors.decode()
    with open_inventory(path) as inventory:
        assert {item.name for item in inventory.authorities()} == set("012345")


CALLS = "write,pwrite64,ftruncate,unlink,mkdir,fchmod"  # fsync and reads leave nothing for SIGKILL to show


def test_a_creation_that_was_killed_at_any_step_is_completed(tmp_path: Path) -> None:
    """SIGKILL at the Nth system call that changes the disk, for every third N until a run ends by itself."""
    for step in count(1, 3):
        path = tmp_path / str(step) / "inventory.sqlite3"
        done = killed_at(step, path)
        with open_inventory(path) as inventory:
            inventory.verify_integrity()
            assert {item.name for item in inventory.authorities()} <= {"killed"}
            add_authority(inventory, "next")
        if done:
            break
    assert step > 15


def killed_at(step: int, path: Path) -> bool:
    """Create an inventory until the system call of this number; return whether there was no such call."""
    watched = [str(path.parent), str(path), *(f"{path}-{suffix}" for suffix in ("wal", "shm", "journal"))]
    command = ["strace", "-qq", "-o", "/dev/null", *(word for name in watched for word in ("-P", name))]
    command += ["-e", f"trace={CALLS}", "-e", f"inject={CALLS}:signal=KILL:when={step}"]
    command += [sys.executable, "-c", CREATOR, str(path), "killed"]
    done = subprocess.run(command, capture_output=True, check=False, env=ENVIRONMENT)
    assert done.returncode in (0, -signal.SIGKILL), done.stderr.decode()
    return done.returncode == 0


FILLER = (
    COMMON
    + """
done = ["01"]
with open_inventory(sys.argv[1]) as inventory:
    issue(inventory, intent(add_authority(inventory), "01"))
    try:
        for number in range(2, 10_000):
            batch = [serial_text(number * 1000 + item) for item in range(20)]
            inventory.intend([intent(1, serial) for serial in batch])
            done += batch
    except SmtpcredsError as error:
        print(type(error).__name__, error.reason, error.hint, sep="|")
    inventory.verify_integrity()
    assert serials(inventory.pending()) == done[1:], "inside"
with open_inventory(sys.argv[1]) as inventory:
    inventory.verify_integrity()
    assert serials(inventory.pending()) == done[1:], "after"
    os.unlink(sys.argv[2])
    inventory.revoke(1, "01", NOW, "superseded")
    print(len(done) > 20, inventory.find("01")[0].state)
"""
)


def test_a_full_disk_changes_nothing(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=1m,mode=0700 none "$2"; head -c 200k /dev/zero > "$2/ballast"; '
    script += '"$1" -c "$3" "$2/inventory.sqlite3" "$2/ballast"'
    told = in_namespace(script, str(tmp_path), FILLER)
    assert told.stderr == ""
    first, second = told.stdout.splitlines()
    assert first == f"WriteError|the disk is full; nothing was changed|make room in {tmp_path}"
    assert second == "True revoked"


def limit_pages(inventory: Inventory, more: int) -> None:
    connection = inventory._database._connection
    connection.execute(
        f"PRAGMA max_page_count = {connection.execute('PRAGMA page_count').fetchone()[0] + more}"
    )


def test_a_full_database_inside_a_transaction_undoes_all_of_it(path: Path) -> None:
    with open_inventory(path) as inventory:
        ca = add_authority(inventory)
        issue(inventory, intent(ca, "01"))
        limit_pages(inventory, 10)

        def too_much() -> None:
            with inventory.transaction():
                inventory.revoke(ca, "01", NOW, "superseded")
                inventory.intend([intent(ca, f"{number:06x}") for number in range(2, 2000)])

        with pytest.raises(WriteError, match="disk is full"):
            too_much()
        assert serials(inventory.listing()) == ["01"]
        assert list(inventory.revoked(ca)) == []


def test_a_caller_who_swallows_a_full_disk_can_not_commit_half(path: Path) -> None:
    with open_inventory(path) as inventory:
        ca = add_authority(inventory)
        limit_pages(inventory, 10)
        with contextlib.suppress(WriteError), inventory.transaction():
            inventory.intend([intent(ca, "01")])
            with pytest.raises(WriteError):
                inventory.intend([intent(ca, f"{number:06x}") for number in range(2, 2000)])
        assert serials(inventory.pending()) in ([], ["01"])


def test_a_directory_on_a_full_disk_is_reported(tmp_path: Path) -> None:
    script = 'mount -t tmpfs -o size=1m,nr_inodes=2,mode=0700 none "$2"; touch "$2/last"; '
    script += '"$1" -c "$3" "$2/state/inventory.sqlite3" x; ls -A "$2"'
    told = in_namespace(
        script, str(tmp_path), CREATOR.replace("with open", "try:\n with open").rstrip() + EXCEPT
    )
    assert told.stdout == "WriteError No space left on device\nlast\n", told.stderr


EXCEPT = "\nexcept SmtpcredsError as error: print(type(error).__name__, error.reason)"
