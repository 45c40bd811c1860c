"""Damaged files: a clear error or records, never a hang, a crash or more memory than the file has."""

import os
import random
import resource
import signal
import struct
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from smtpcreds.errors import DamagedFileError, ForeignFormatError, SmtpcredsError, WriteError
from smtpcreds.sasldb import bdb, gdbm, lmdb_read, store
from smtpcreds.sasldb.detect import identify
from smtpcreds.sasldb.lmdb import LmdbStore
from smtpcreds.sasldb.opening import open_store

from . import peers
from .test_bdb import accounts

Decode = Callable[[bytes], dict[bytes, bytes]]
ROUNDS = 2500
FIGURES = (0, 1, 2, 3, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63, 2**64 - 1)


def bit_flips(data: bytearray, dice: random.Random) -> None:
    for _ in range(dice.randrange(1, 9)):
        data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)


def truncation(data: bytearray, dice: random.Random) -> None:
    del data[dice.randrange(len(data)) :]


def garbage(data: bytearray, dice: random.Random) -> None:
    start = dice.randrange(len(data))
    data[start : start + 100] = dice.randbytes(len(data[start : start + 100]))


def wrong_figures(data: bytearray, dice: random.Random) -> None:
    """Page numbers, counts and lengths, most of which stand at even places in the head of a page."""
    for _ in range(dice.randrange(1, 4)):
        page = dice.randrange(len(data) // 512) * 512
        at = page + 2 * dice.randrange(60)
        form = dice.choice("HIQ")
        limit = 1 << 8 * struct.calcsize("<" + form)
        number = dice.choice((dice.choice(FIGURES), dice.randrange(len(data) // 512 + 2))) % limit
        struct.pack_into("<" + form, data, min(at, len(data) - 8), number)


def exchanged_pages(data: bytearray, dice: random.Random) -> None:
    size = dice.choice((512, 4096))
    one, two = (dice.randrange(len(data) // size) * size for _ in range(2))
    data[one : one + size] = data[two : two + size]


DAMAGES = (bit_flips, truncation, garbage, wrong_figures, exchanged_pages)


def damaged(sound: bytes, seed: int) -> bytes:
    dice = random.Random(seed)
    data = bytearray(sound)
    DAMAGES[seed % len(DAMAGES)](data, dice)
    return bytes(data)


def sound_bdb(path: Path) -> bytes:
    peers.db_load(path, accounts(40, longest=700), db_pagesize=512)
    return path.read_bytes()


def sound_gdbm(path: Path) -> bytes:
    peers.gdbm(path, dict(accounts(400)))
    return path.read_bytes()


def sound_lmdb(path: Path) -> bytes:
    peers.mdb_load(path, accounts(150, longest=3000))
    LmdbStore(str(path)).apply(lambda found: dict.fromkeys(list(found)[::3]))
    return path.read_bytes()


def sound_clean(path: Path) -> bytes:
    """A file of our own, which is read by another way."""
    path.write_bytes(content := bdb.encode(accounts(300)))
    return content


def look(data: bytes) -> dict[bytes, bytes]:
    return dict(bdb.look(data).items())


SOUND = {
    "bdb": (sound_bdb, bdb.decode),
    "clean": (sound_clean, look),
    "gdbm": (sound_gdbm, gdbm.decode),
    "lmdb": (sound_lmdb, lmdb_read.decode),
}


@pytest.mark.parametrize("kind", SOUND)
def test_thousands_of_damaged_files(tmp_path: Path, kind: str) -> None:
    """In a process that gets 64 MiB, and one second of the processor for each file."""
    make, decode = SOUND[kind]
    sound = make(tmp_path / "db")
    right = decode(sound)
    if (child := os.fork()) == 0:
        os._exit(read_all(sound, right, decode, tmp_path / "seed"))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, (tmp_path / "seed").read_text()


def read_all(sound: bytes, right: dict[bytes, bytes], decode: Decode, log: Path) -> int:
    """Return 0 if each file is refused in one line or read, else 99; a signal is an answer, too."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20),) * 2)
    refused = seed = 0
    try:
        for seed in range(ROUNDS):
            log.write_text(f"seed {seed}")
            data = damaged(sound, seed)
            signal.setitimer(signal.ITIMER_VIRTUAL, 1)
            refused += is_refused(data, sound, right, decode)
        assert ROUNDS // 4 < refused < ROUNDS, refused
    except BaseException:  # noqa: BLE001
        log.write_text(f"seed {seed}: {traceback.format_exc()}")
        return 99
    return 0


def is_refused(data: bytes, sound: bytes, right: dict[bytes, bytes], decode: Decode) -> bool:
    try:
        found = decode(data)
    except (DamagedFileError, ForeignFormatError) as error:
        assert "\n" not in f"{error} {error.hint}"  # noqa: PT017
        return True
    assert sum(len(key) + len(value) for key, value in found.items()) <= len(data)
    assert data != sound or found == right
    assert decode is not gdbm.decode or found.keys() == right.keys()
    return False


@pytest.mark.parametrize("kind", ["bdb", "clean", "gdbm"])
def test_a_change_of_a_damaged_file_is_readable_or_refused(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the new file was read back, 336 of 2,000 changes of damaged clean files left it unreadable."""
    monkeypatch.setattr(store, "_SETTLE", 0)
    sound, path, refused = SOUND[kind][0](tmp_path / "sound"), tmp_path / "db", 0
    for seed in range(300):
        path.write_bytes(data := damaged(sound, seed))
        os.utime(path, (1, 1))
        try:
            open_store(str(path)).apply(lambda _: {b"new\0r\0userPassword": b"secret"})
        except (DamagedFileError, ForeignFormatError):
            refused += 1
            assert path.read_bytes() == data
        else:
            os.utime(path, (1, 1))
            assert dict(open_store(str(path)).load().items())[b"new\0r\0userPassword"] == b"secret"
    assert 50 < refused < 300


@pytest.mark.parametrize("kind", ["bdb", "clean"])
def test_what_is_read_of_a_damaged_file_is_what_libdb_finds(tmp_path: Path, kind: str) -> None:
    """In a process for each file, since libdb may die of it."""
    make, decode = SOUND[kind]
    sound, path, wrong, accepted = make(tmp_path / "sound"), tmp_path / "db", [], 0
    for seed in range(250):
        path.write_bytes(data := damaged(sound, seed))
        try:
            found = decode(data)
        except (DamagedFileError, ForeignFormatError):
            continue
        accepted += 1
        if (child := os.fork()) == 0:
            os._exit(look_up(path, found))
        if os.waitpid(child, 0)[1]:
            wrong.append(seed)
    assert wrong == []
    assert accepted > 20


def look_up(path: Path, found: dict[bytes, bytes]) -> int:
    """Return 0 if libdb finds all of this, else another status."""
    try:
        with peers.libdb(path) as db:
            return int(not all(db.get(key) == value for key, value in found.items()))
    except BaseException:  # noqa: BLE001
        return 98


@pytest.mark.parametrize("size", [0, 4, 7])
def test_a_list_of_free_pages_without_its_length(tmp_path: Path, size: int) -> None:
    data = bytearray(sound_lmdb(tmp_path / "db"))
    meta = lmdb_read.read_meta(bytes(data), "db")
    page = meta.free_root * meta.pagesize
    (node,) = struct.unpack_from("<H", data, page + lmdb_read.PAGE_HEADER)
    struct.pack_into("<2H", data, page + node, size, 0)
    with pytest.raises(DamagedFileError, match="list of free pages that is cut off"):
        lmdb_read.decode(bytes(data))


def test_a_last_page_beyond_the_map_is_refused(tmp_path: Path) -> None:
    """Liblmdb would write behind it: a file of 128 GiB, which nobody could read any more."""
    path = tmp_path / "db"
    data = bytearray(sound_lmdb(path))
    newest = lmdb_read.read_meta(bytes(data), "db").txnid & 1
    struct.pack_into("<Q", data, newest * 4096 + 136, 1 << 25)
    path.write_bytes(data)
    with pytest.raises(DamagedFileError, match="beyond its map"):
        LmdbStore(str(path)).apply(lambda _: {b"new\0r\0userPassword": b"x"})
    assert path.read_bytes() == data


def test_liblmdb_never_gets_a_file_that_would_crash_it(tmp_path: Path) -> None:
    sound = sound_lmdb(tmp_path / "db")
    crashes, written = [], 0
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        path = Path(directory) / "db"
        for seed in range(200):
            path.write_bytes(damaged(sound, seed))
            if (child := os.fork()) == 0:
                os._exit(apply_in_child(path))
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            written += status == 0
            if status not in (0, DamagedFileError.exit_status, WriteError.exit_status):
                crashes.append((seed, status))
    assert crashes == []
    assert written > 5


def apply_in_child(path: Path) -> int:
    """Return 0 if the change was made and can be read, else the error's status."""
    try:
        LmdbStore(str(path), timeout=0.1).apply(lambda _: {b"new\0r\0userPassword": b"x" * 50})
        return 0 if lmdb_read.decode(path.read_bytes())[b"new\0r\0userPassword"] else 99
    except SmtpcredsError as error:
        return error.exit_status
    except BaseException:  # noqa: BLE001
        return 98


@pytest.mark.parametrize("size", [0, 1, 13, 511, 512, 4096, 20_000])
def test_random_bytes_are_no_database(size: int) -> None:
    dice = random.Random(size)
    for _ in range(50):
        with pytest.raises((DamagedFileError, ForeignFormatError)):
            identify(dice.randbytes(size)[:512], "sasldb2")


def test_a_split_that_saslpasswd2_did_not_finish_is_noticed(tmp_path: Path) -> None:
    """Killed between its page writes, it leaves files that db5.3_verify accepts and that lack accounts."""
    path = tmp_path / "db"
    accepted_with_loss = 0
    for count, when in ((n, when) for n in range(300, 900, 120) for when in (5, 6)):
        path.unlink(missing_ok=True)
        peers.db_load(path, accounts(count))
        before = peers.kill_in_split(path, when)
        try:
            assert bdb.decode(path.read_bytes()).items() >= before.items()
        except DamagedFileError:
            accepted_with_loss += peers.verifies(path) and len(peers.db_dump(path)) < len(before)
    assert accepted_with_loss >= 2
