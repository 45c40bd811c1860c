"""Replacing a file: attributes kept, foreign writers noticed, failures and kills that leave old or new."""

import errno
import fcntl
import os
import re
import resource
import signal
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from place import PLACE

from smtpcreds.errors import DeniedError, LockHeldError, SmtpcredsError, UnsafePathError, WriteError
from smtpcreds.files import explained
from smtpcreds.sasldb import gdbm, replace
from smtpcreds.sasldb.detect import Format
from smtpcreds.sasldb.opening import REPLACED, codec_of, open_store
from smtpcreds.sasldb.store import Edits, ReplacingStore, Store

from . import peers

KEY, OTHER = b"a\0r\0userPassword", b"b\0r\0userPassword"


def put(store: Store, value: bytes, key: bytes = KEY) -> None:
    store.apply(lambda _: {key: value})


def in_child(work: Callable[[], object]) -> int:
    """Run in a forked process; return 0, or the exit status of the error."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        work()
        os._exit(0)
    except SmtpcredsError as error:
        os._exit(error.exit_status)
    except BaseException:  # noqa: BLE001
        os._exit(99)


def names(directory: Path) -> list[str]:
    """Return the files but for the locks, which stay."""
    return sorted(name for name in os.listdir(directory) if not name.endswith("lock"))


def test_access_lists_and_attributes_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    store = open_store(str(path), new=Format.BDB)
    put(store, b"old")
    peers.run("setfacl", "-m", "u:12345:r--", str(path))
    peers.run("setfattr", "-n", "user.note", "-v", "kept", str(path))
    before = peers.run("getfacl", "-n", str(path))
    put(store, b"new")
    assert peers.run("getfacl", "-n", str(path)) == before
    assert b"user:12345:r--" in before
    assert os.getxattr(path, "user.note") == b"kept"


@pytest.mark.parametrize("kind", Format)
def test_a_directory_s_default_list_opens_the_file_to_nobody(tmp_path: Path, kind: Format) -> None:
    peers.run("setfacl", "-d", "-m", "u:12345:rwx", str(tmp_path))
    path = tmp_path / "sasldb2"
    store = open_store(str(path), new=kind, origin=replace.NewFile(0o640))
    for value in (b"one", b"two"):
        put(store, value)
        assert b"12345" not in peers.run("getfacl", "-n", str(path))
        assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_the_temporary_file_is_private_before_it_has_a_byte(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    path.write_bytes(b"old")
    path.chmod(0o604)
    old = os.open(path, os.O_RDONLY)
    log = tmp_path / "log"
    code = (
        "import os, sys\n"
        "from smtpcreds.sasldb.replace import Replacement, NewFile as Origin\n"
        "old = os.open(sys.argv[1], os.O_RDONLY); os.umask(0)\n"
        "with Replacement(sys.argv[1]) as new:\n"
        "    new.prepare(b'secret', old, Origin())\n"
        "    assert new.install(old)\n"
    )
    peers.run(
        *("strace", "-o", str(log), "-e", "trace=openat,write,fchmod,renameat,fsync"),
        *(sys.executable, "-c", f"import sys; sys.path.insert(0, {str(PLACE)!r})\n{code}", str(path)),
    )
    os.close(old)
    calls = [line for line in log.read_text().splitlines() if "smtpcreds-" in line or re.match(r"w|f", line)]
    shape = re.sub(r"\(.*", "", "\n".join(calls[-6:])).split()
    assert shape == ["openat", "fchmod", "write", "fsync", "renameat", "fsync"]
    assert re.search(
        r"\.sasldb2\.smtpcreds-[0-9a-f]{16}\", O_RDWR\|O_CREAT\|O_EXCL\|O_NOFOLLOW.*0600\)", calls[-6]
    )


@pytest.mark.parametrize("kind", REPLACED)
def test_a_foreign_change_while_we_compute_is_not_lost(tmp_path: Path, kind: Format) -> None:
    path, calls = tmp_path / "sasldb2", []
    store = open_store(str(path), new=kind)
    put(store, b"x" * 30)

    def change(found: object) -> Edits:
        calls.append(found)
        if len(calls) == 1:
            edit_with_library(kind, path, {OTHER: b"foreign"})
        return {KEY: b"ours"}

    store.apply(change)
    assert len(calls) == 2
    assert store.load() == {KEY: b"ours", OTHER: b"foreign"}


@pytest.mark.parametrize("kind", REPLACED)
def test_a_foreign_new_file_is_not_overwritten(tmp_path: Path, kind: Format) -> None:
    path = tmp_path / "sasldb2"
    store = open_store(str(path), new=kind)

    def change(found: object) -> Edits:
        if not found:
            edit_with_library(kind, path, {OTHER: b"foreign"})
        return {KEY: b"ours"}

    store.apply(change)
    assert store.load() == {KEY: b"ours", OTHER: b"foreign"}
    assert names(tmp_path) == ["sasldb2"]


def test_a_writer_that_never_rests_is_named_in_the_end(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    store = open_store(str(path), new=Format.BDB)
    put(store, b"x")

    def change(found: object) -> Edits:
        with peers.libdb(path, write=True) as db:
            db.put(OTHER, os.urandom(8))
        return {KEY: b"ours"}

    with pytest.raises(LockHeldError, match="another program changed it 20 times"):
        store.apply(change)
    assert KEY in store.load()
    assert names(tmp_path) == ["sasldb2"]


def edit_with_library(kind: Format, path: Path, edits: dict[bytes, bytes]) -> None:
    if kind is Format.GDBM:
        peers.gdbm(path, dict(edits))
    else:
        with peers.libdb(path, write=True) as db:
            for key, value in edits.items():
                db.put(key, value)


def test_a_lock_of_another_run_is_waited_for_and_named(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    with open(f"{path}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        print(4711, file=lock, flush=True)
        with pytest.raises(LockHeldError, match="is held by process 4711"):
            put(open_store(str(path), new=Format.BDB, timeout=0.05), b"x")
    put(open_store(str(path), new=Format.BDB), b"x")
    assert stat.S_IMODE(os.stat(f"{path}.lock").st_mode) & 0o077 in (0, 0o044)


def test_a_lock_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("content")
    (tmp_path / "sasldb2.lock").symlink_to("precious")
    with pytest.raises(UnsafePathError, match=r"sasldb2\.lock"):
        put(open_store(str(tmp_path / "sasldb2"), new=Format.BDB), b"x")
    assert (tmp_path / "precious").read_text() == "content"


def test_a_gdbm_writer_keeps_us_out_and_a_reader_does_not(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    put(store := ReplacingStore(str(path), gdbm, timeout=0.05), b"x")
    with open(path, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        put(store, b"y")
    with open(path, "rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for use in (store.load, lambda: put(store, b"z")):
            with pytest.raises(LockHeldError, match="is locked by another process"):
                use()
    assert store.load() == {KEY: b"y"}


def test_a_second_name_of_the_file_is_not_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    store = open_store(str(path), new=Format.BDB)
    put(store, b"old")
    os.link(path, tmp_path / "chroot-sasldb2")
    with pytest.raises(UnsafePathError, match="hard link"):
        put(store, b"new")
    assert store.load() == {KEY: b"old"}


def test_leftovers_of_a_killed_run_are_removed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    keep = {".sasldb2.smtpcreds-notes", ".sasldb3.smtpcreds-0123456789abcdef", "__db.sasldb2"}
    for name in keep | {".sasldb2.smtpcreds-0123456789abcdef"}:
        (tmp_path / name).touch()
    put(open_store(str(path), new=Format.BDB), b"x")
    assert set(names(tmp_path)) == keep | {"sasldb2"}


def test_readers_that_keep_the_old_file_open_see_a_later_time(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    store = ReplacingStore(str(path), codec_of(Format.BDB), wake=True)
    put(store, b"old")
    with open(path, "rb") as reader:
        remembered = int(os.fstat(reader.fileno()).st_mtime)
        put(store, b"new")
        assert int(os.fstat(reader.fileno()).st_mtime) > max(remembered, int(path.stat().st_mtime))


@pytest.mark.parametrize("kind", Format)
def test_a_file_size_limit_leaves_the_old_file(tmp_path: Path, kind: Format) -> None:
    path = tmp_path / "sasldb2"
    store = open_store(str(path), new=kind)
    put(store, b"old")
    before = path.read_bytes()

    def limited() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before), len(before)))
        put(store, b"x" * 8000)
        store.apply(lambda _: {b"%d" % n: b"x" * 500 for n in range(200)})

    assert in_child(limited) == WriteError.exit_status
    assert store.load() in ({KEY: b"old"}, {KEY: b"x" * 8000})
    assert names(tmp_path) == ["sasldb2"]
    put(store, b"new")
    assert store.load()[KEY] == b"new"


@pytest.mark.parametrize("kind", Format)
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, kind: Format) -> None:
    """On a file system of 96 KiB in a namespace of its own."""
    code = (
        "import errno, os, sys\n"
        "from smtpcreds.errors import WriteError\n"
        "from smtpcreds.sasldb.detect import Format; from smtpcreds.sasldb.opening import open_store\n"
        "store = open_store('sasldb2', new=Format(sys.argv[1]))\n"
        "store.apply(lambda _: {b'a': b'old'})\n"
        "try:\n"
        "    store.apply(lambda _: {b'%d' % n: b'x' * 500 for n in range(400)})\n"
        "except WriteError as error:\n"
        "    print(str(error))\n"
        "print(dict(store.load()), sorted(n for n in os.listdir() if 'lock' not in n))\n"
    )
    script = (
        f'mount -t tmpfs -o size=96k none "{tmp_path}" && cd "{tmp_path}" && '
        f'PYTHONPATH="{PLACE}" exec "{sys.executable}" -c "$0" {kind}'
    )
    full = {Format.LMDB: "liblmdb says .*Input/output error"}.get(kind, "No space left on device")
    refusal, state = peers.run("unshare", "-rm", "sh", "-c", script, code).decode().splitlines()
    assert re.fullmatch(f".*sasldb2: {full}; nothing was changed", refusal)
    assert state == "{b'a': b'old'} ['sasldb2']"


@pytest.mark.parametrize("kind", REPLACED)
def test_what_the_system_forbids_is_said(tmp_path: Path, kind: Format) -> None:
    path = tmp_path / "sasldb2"
    store = open_store(str(path), new=kind)
    put(store, b"old")
    path.chmod(0o644)
    tmp_path.chmod(0o555)

    def unprivileged() -> None:
        for part in tmp_path.parents:
            if part.is_relative_to("/tmp"):
                assert part.is_dir()
        if os.getuid() == 0:
            os.chdir(tmp_path)
            os.setgroups([])
            os.setuid(65534)
        put(open_store("sasldb2" if os.getuid() == 65534 else str(path)), b"new")

    assert in_child(unprivileged) == DeniedError.exit_status
    assert store.load() == {KEY: b"old"}


def test_messages_name_the_path_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(WriteError) as caught, explained("sasldb2", "; nothing was changed"):
        raise OSError(errno.ENOSPC, "x")
    assert str(caught.value) == "sasldb2: No space left on device; nothing was changed"
    assert caught.value.hint == "make room and run it again"
