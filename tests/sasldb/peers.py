"""The real programs and libraries, as functions on paths. A missing one fails the test that needs it."""

import ctypes
import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

Records = Mapping[bytes, bytes]
SYSTEM_PYTHON = "/usr/bin/python3"
"""Debian's, which has dbm.gnu; not every build of Python does."""


def run(*command: str, stdin: bytes = b"") -> bytes:
    """Run a program, require status 0 and return its standard output."""
    done = subprocess.run(command, input=stdin, capture_output=True, timeout=600, check=False)
    assert done.returncode == 0, (command, done.returncode, done.stderr)
    return done.stdout


def db_load(path: Path, records: Records, **settings: int) -> None:
    """Make or extend a Berkeley DB hash with db5.3_load."""
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    hexed = b"".join(b" %s\n %s\n" % (k.hex().encode(), v.hex().encode()) for k, v in records.items())
    head = b"VERSION=3\nformat=bytevalue\ntype=hash\nHEADER=END\n"
    run("db5.3_load", *options, "-f", "/dev/stdin", str(path), stdin=head + hexed + b"DATA=END\n")


def verifies(path: Path) -> bool:
    """Tell whether db5.3_verify accepts the file."""
    return subprocess.run(["db5.3_verify", str(path)], capture_output=True, check=False).returncode == 0


def db_verify(path: Path) -> None:
    """Require db5.3_verify to accept the file without a word on standard error."""
    done = subprocess.run(["db5.3_verify", str(path)], capture_output=True, check=False, timeout=600)
    assert (done.returncode, done.stderr) == (0, b"")


def db_dump(path: Path) -> dict[bytes, bytes]:
    """Read a Berkeley DB with db5.3_dump."""
    return _dumped(run("db5.3_dump", str(path)))


def mdb_dump(path: Path) -> dict[bytes, bytes]:
    """Read an LMDB file with Debian's mdb_dump."""
    return _dumped(run("mdb_dump", "-n", str(path)))


def mdb_load(path: Path, records: Records) -> None:
    """Make or extend an LMDB file with Debian's mdb_load."""
    hexed = b"".join(b" %s\n %s\n" % (k.hex().encode(), v.hex().encode()) for k, v in records.items())
    head = b"VERSION=3\nformat=bytevalue\ntype=btree\nmapsize=16777216\nHEADER=END\n"
    run("mdb_load", "-n", str(path), stdin=head + hexed + b"DATA=END\n")


def _dumped(text: bytes) -> dict[bytes, bytes]:
    body = text.partition(b"HEADER=END\n")[2].partition(b"DATA=END")[0]
    fields = [bytes.fromhex(line.decode()) for line in body.splitlines()]
    return dict(zip(fields[::2], fields[1::2], strict=True))


def saslpasswd(path: Path, user: str, realm: str, password: bytes | None) -> None:
    """Set a password with saslpasswd2, or delete the user."""
    what = ["-d"] if password is None else ["-p"]
    run("saslpasswd2", "-f", str(path), *what, "-u", realm, user, stdin=password or b"")


def listed(path: Path) -> list[str]:
    """Return the lines of sasldblistusers2, sorted."""
    return sorted(run("sasldblistusers2", "-f", str(path)).decode().splitlines())


class _Dbt(ctypes.Structure):
    _fields_ = (
        ("data", ctypes.c_char_p),
        ("size", ctypes.c_uint32),
        ("ulen", ctypes.c_uint32),
        ("dlen", ctypes.c_uint32),
        ("doff", ctypes.c_uint32),
        ("app_data", ctypes.c_void_p),
        ("flags", ctypes.c_uint32),
    )


_CREATE, _RDONLY, _HASH, _NOTFOUND, _FREE_SPACE = 0x1, 0x400, 2, -30988, 0x1


class Libdb:
    """An open hash file of libdb 5.3, through the functions that Debian's library exports."""

    def __init__(self, path: Path, flags: int) -> None:
        self._library = ctypes.CDLL("libdb-5.3.so")
        self._handle = ctypes.c_void_p()
        assert self._library.db_create(ctypes.byref(self._handle), None, 0) == 0
        status = self._library.__getattr__("__db_open_pp")(
            self._handle, None, str(path).encode(), None, _HASH, flags, 0o600
        )
        assert status == 0, status

    def _call(self, name: str, *arguments: object) -> int:
        status: int = self._library.__getattr__(f"__db_{name}_pp")(self._handle, *arguments)
        return status

    def close(self) -> None:
        assert self._call("close", 0) == 0

    def get(self, key: bytes) -> bytes | None:
        wanted, found = _Dbt(key, len(key)), _Dbt()
        status = self._call("get", None, ctypes.byref(wanted), ctypes.byref(found), 0)
        assert status in (0, _NOTFOUND), status
        if status:
            return None
        place = ctypes.cast(ctypes.byref(found), ctypes.POINTER(ctypes.c_void_p))[0]
        return ctypes.string_at(place, found.size) if place else b""

    def put(self, key: bytes, value: bytes) -> None:
        pair = _Dbt(key, len(key)), _Dbt(value, len(value))
        assert self._call("put", None, ctypes.byref(pair[0]), ctypes.byref(pair[1]), 0) == 0

    def truncate(self) -> None:
        assert self._call("truncate", None, ctypes.byref(ctypes.c_uint32()), 0) == 0

    def compact(self) -> None:
        assert self._call("compact", None, None, None, None, _FREE_SPACE, None) == 0

    def delete(self, key: bytes) -> None:
        assert self._call("del", None, ctypes.byref(_Dbt(key, len(key))), 0) in (0, _NOTFOUND)


@contextmanager
def libdb(path: Path, *, write: bool = False) -> Iterator[Libdb]:
    """Open a file with libdb."""
    handle = Libdb(path, _CREATE if write else _RDONLY)
    try:
        yield handle
    finally:
        handle.close()


_GDBM = """
import dbm.gnu, json, sys
for line in sys.stdin:
    path, edits = json.loads(line)
    with dbm.gnu.open(path, 'c' if edits else 'r') as db:
        for key, value in edits:
            key = bytes.fromhex(key)
            if value is not None: db[key] = bytes.fromhex(value)
            elif key in db: del db[key]
        found = [(key.hex(), db[key].hex()) for key in db.keys()]
    print(json.dumps(found), flush=True)
"""


class Libgdbm:
    """libgdbm in a process of its own (Debian's python3-gdbm); a context manager."""

    def __enter__(self) -> Self:
        command = (SYSTEM_PYTHON, "-c", _GDBM)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def __call__(self, path: Path, edits: Mapping[bytes, bytes | None]) -> dict[bytes, bytes]:
        """Change a file and get every key of it."""
        assert self._process.stdin
        assert self._process.stdout
        pairs = [(key.hex(), None if value is None else value.hex()) for key, value in edits.items()]
        print(json.dumps([str(path), pairs]), file=self._process.stdin, flush=True)
        found = json.loads(self._process.stdout.readline())
        return {bytes.fromhex(key): bytes.fromhex(value) for key, value in found}


def gdbm(path: Path, edits: Mapping[bytes, bytes | None] = {}) -> dict[bytes, bytes]:
    """Change a file with libgdbm and get every key through it."""
    with Libgdbm() as libgdbm:
        return libgdbm(path, edits)


def kill_in_split(path: Path, when: int) -> dict[bytes, bytes]:
    """Add accounts with saslpasswd2 until a run writes so many pages, and kill that run at the last of them.

    Returns:
        The records before that run.
    """
    kill = f"inject=pwrite64:signal=KILL:when={when}"
    words = ("strace", "-o", "/dev/null", "-e", "trace=pwrite64", "-e", kill)
    for number in range(500):
        before = db_dump(path)
        command = (*words, "saslpasswd2", "-f", str(path), "-p", "-u", "r", f"{'x' * 30}{number}")
        done = subprocess.run(command, input=b"p" * 900, capture_output=True, check=False, timeout=600)
        if done.returncode < 0:
            return before
    raise AssertionError("no bucket was split")


def ends(command: list[str], seconds: float) -> bool:
    """Tell whether a program ends by itself within so many seconds."""
    try:
        subprocess.run(command, capture_output=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        return False
    return True
