"""A writer killed at any of its system calls leaves the old or the new records."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from smtpcreds.sasldb.detect import Format
from smtpcreds.sasldb.opening import open_store

from .test_replacing import KEY, OTHER, names, put

CALLS = (
    "write,pwrite64,pwritev,writev,fsync,fdatasync,msync,rename,renameat,link,linkat,unlink,unlinkat,"
    "fchmod,fchown,setxattr,fsetxattr,fremovexattr,ftruncate,flock,utimensat"
)
CHANGE = (
    "import sys\n"
    "from smtpcreds.sasldb.detect import Format; from smtpcreds.sasldb.opening import open_store\n"
    "store = open_store(sys.argv[1], new=Format(sys.argv[2]))\n"
    "store.apply(lambda found: {b'a\\0r\\0userPassword': b'n' * 6000})\n"
)


@pytest.mark.parametrize(
    ("kind", "exists"), [(Format.BDB, True), (Format.GDBM, False), (Format.LMDB, True), (Format.LMDB, False)]
)
def test_a_kill_at_any_system_call_leaves_old_or_new(tmp_path: Path, kind: Format, exists: bool) -> None:
    path, log = tmp_path / "sasldb2", tmp_path.parent / f"{tmp_path.name}.log"
    command = (sys.executable, "-B", "-c", CHANGE, str(path), str(kind))
    old = {KEY: b"old", OTHER: b"other"} if exists else {}
    new = {**old, KEY: b"n" * 6000}

    def prepare() -> None:
        for name in os.listdir(tmp_path):
            (tmp_path / name).unlink()
        if exists:
            open_store(str(path), new=kind).apply(lambda _: old)

    prepare()
    run_traced(log, command)
    counts: dict[str, int] = {}
    for call in re.findall(r"^(\w+)\(", log.read_text(), re.MULTILINE):
        counts[call] = counts.get(call, 0) + 1
    assert sum(counts.values()) > 4
    outcomes = []
    for call, count in counts.items():
        for when in range(1, count + 1):
            prepare()
            assert run_traced(log, command, f"inject={call}:signal=KILL:when={when}") == -signal.SIGKILL
            found = open_store(str(path), new=kind).load() if path.exists() else {}
            assert found in (old, new), (call, when)
            outcomes.append(found == new)
            put(open_store(str(path), new=kind), b"after")
            assert names(tmp_path) == ["sasldb2"]
    assert set(outcomes) == {True, False}


def run_traced(log: Path, command: tuple[str, ...], *inject: str) -> int:
    words = [word for what in (f"trace={CALLS}", *inject) for word in ("-e", what)]
    trace = ("strace", "-qq", "-o", str(log), *words)
    return subprocess.run((*trace, *command), check=False, timeout=600).returncode
