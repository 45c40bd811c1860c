"""Cyrus SASL itself as the judge: its server, reading a given sasldb, against its own client.

Both ends are the host's libsasl2.so.2 (Debian: libsasl2-2, libsasl2-modules, libsasl2-modules-db), driven
through <sasl/sasl.h>. The server is set up as sendmail sets it up: its host name is the realm of bare names,
and there is no user_realm. Not for several threads at once.

With a configuration file in place of a database the server reads that file itself, as sendmail and smtpd do;
a process reads only one in its life, so :func:`configured` asks another process.
"""

import ctypes
import functools
import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from ctypes import POINTER, byref, c_char_p, c_int, c_uint, c_ulong, c_void_p
from dataclasses import dataclass
from pathlib import Path

MECHANISMS = (
    "PLAIN",
    "LOGIN",
    "CRAM-MD5",
    "DIGEST-MD5",
    "SCRAM-SHA-1",
    "SCRAM-SHA-224",
    "SCRAM-SHA-256",
    "SCRAM-SHA-384",
    "SCRAM-SHA-512",
)
"""All that Debian's libsasl2-modules has and that a sasldb can serve."""

OK, CONTINUE = 0, 1
REFUSALS = frozenset({-2, -13, -20})
"""An end looked and said no: BADAUTH, NOUSER, and -2, which scram.c gives for a secret of another hash.

SASL_FAIL (-1) is not among them: that is a database that could not be read.
"""

APPLICATION: bytes | None = None
"""Name of the configuration file in $SASL_CONF_PATH, without ``.conf``; None for options given here."""

_LIST_END, _GETOPT, _LOG = 0, 1, 2
_USER, _AUTHNAME, _PASS, _GETREALM = 0x4001, 0x4002, 0x4004, 0x4008
_USERNAME = 0
_STEPS = 8

_GetOpt = ctypes.CFUNCTYPE(c_int, c_void_p, c_char_p, c_char_p, POINTER(c_char_p), POINTER(c_uint))
_Log = ctypes.CFUNCTYPE(c_int, c_void_p, c_int, c_char_p)
_GetSimple = ctypes.CFUNCTYPE(c_int, c_void_p, c_int, POINTER(c_char_p), POINTER(c_uint))
_GetSecret = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, POINTER(c_void_p))
_GetRealm = ctypes.CFUNCTYPE(c_int, c_void_p, c_int, POINTER(c_char_p), POINTER(c_char_p))


class _Callback(ctypes.Structure):
    _fields_ = (("id", c_ulong), ("proc", c_void_p), ("context", c_void_p))


class OracleError(AssertionError):
    """No answer about a password: no database, no plugin, or a call that was wrong."""


@dataclass(frozen=True)
class Verdict:
    """What the two ends ended with: codes of <sasl/sasl.h>, the name the server saw, its log lines."""

    server: int
    client: int
    username: str | None
    log: tuple[str, ...]

    @property
    def accepted(self) -> bool:
        return self.server == OK and self.client == OK


def authenticate(db: Path, mechanism: str, authcid: str, realm: str, password: bytes) -> bool:
    """Tell whether the password opens ``authcid`` in ``realm`` by this mechanism, both ends satisfied.

    Raises OracleError when there is no such database or it can't be read, or either side lacks the mechanism.
    """
    verdict = exchange(db, mechanism, authcid, realm, password)
    if verdict.accepted:
        assert verdict.username in {authcid, f"{authcid}@{realm}"}, verdict
        return True
    if verdict.server not in REFUSALS and verdict.client not in REFUSALS:
        raise OracleError(f"{mechanism}: {verdict}")
    return False


def mechanisms(db: Path, authcid: str, realm: str, password: bytes) -> frozenset[str]:
    """The mechanisms by which this account can really log in."""
    return frozenset(m for m in MECHANISMS if authenticate(db, m, authcid, realm, password))


def checkpass(db: Path, authcid: str, realm: str, password: bytes) -> bool:
    """sasl_checkpass(), the look-up behind PLAIN and LOGIN."""
    log: list[str] = []
    with _Connection(_server_callbacks(db, log), realm, server=True) as server:
        name = authcid.encode()
        return bool(_sasl().sasl_checkpass(server, name, len(name), password, len(password)) == OK)


def configured(
    conf: Path, *logins: tuple[str, str, bytes], mechanisms: Collection[str] = MECHANISMS
) -> list[frozenset[str]]:
    """For each authcid, realm and password: the mechanisms of this file that let it in.

    Asked are those of ``mechanisms`` that the file's mech_list offers.
    """
    offered = [name for name in mechanisms if name in conf.read_text().split()]
    hexed = [(authcid, realm, password.hex()) for authcid, realm, password in logins]
    done = subprocess.run(
        [sys.executable, __file__, str(conf)],
        input=json.dumps({"logins": hexed, "mechanisms": offered}),
        env={**os.environ, "SASL_CONF_PATH": str(conf.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise OracleError(done.stderr)
    return [frozenset(opened) for opened in json.loads(done.stdout)]


def exchange(db: Path, mechanism: str, authcid: str, realm: str, password: bytes) -> Verdict:
    """Run one whole authentication in memory."""
    if not db.exists():
        raise OracleError(f"{db}: no such database")
    log: list[str] = []
    with (
        _Connection(_server_callbacks(db, log), realm, server=True) as server,
        _Connection(_client_callbacks(authcid, realm, password), realm, server=False) as client,
    ):
        codes = _converse(server, client, mechanism)
        return Verdict(*codes, _username(server) if codes == (OK, OK) else None, tuple(log))


def write_sasldb(path: Path, records: Mapping[bytes, bytes]) -> None:
    """Make a Berkeley DB hash file with libdb's own loader (Debian: db5.3-util)."""
    lines = ("".join(f"\\{octet:02x}" for octet in item) for pair in records.items() for item in pair)
    text = "".join(f"{line}\n" for line in lines)
    subprocess.run(["db5.3_load", "-T", "-t", "hash", str(path)], input=text.encode(), check=True)


def record(authcid: str, realm: str, prop: str, value: bytes) -> dict[bytes, bytes]:
    """One record as Cyrus lays it out: authcid NUL realm NUL property."""
    return {b"\0".join(part.encode() for part in (authcid, realm, prop)): value}


def _converse(server: c_void_p, client: c_void_p, mechanism: str) -> tuple[int, int]:
    sasl, out, size, chosen = _sasl(), c_void_p(), c_uint(), c_char_p()
    name = mechanism.encode()
    asked = sasl.sasl_client_start(client, name, None, byref(out), byref(size), byref(chosen))
    if asked not in {OK, CONTINUE}:
        raise OracleError(f"client can't start {mechanism}: {asked}")
    answered = sasl.sasl_server_start(server, name, out, size, byref(out), byref(size))
    if answered == -4:
        raise OracleError(f"server has no {mechanism}")
    for _ in range(_STEPS):
        if (asked, answered) == (OK, OK) or {asked, answered} - {OK, CONTINUE}:
            break
        asked = sasl.sasl_client_step(client, out, size, None, byref(out), byref(size))
        if asked in {OK, CONTINUE} and answered == CONTINUE:
            answered = sasl.sasl_server_step(server, out, size, byref(out), byref(size))
    return answered, asked


def _username(server: c_void_p) -> str:
    value = c_void_p()
    assert _sasl().sasl_getprop(server, _USERNAME, byref(value)) == OK
    return ctypes.string_at(value.value or 0).decode()


class _Connection:
    """A sasl_conn_t with its callbacks, which must outlive it."""

    def __init__(self, callbacks: list[tuple[int, object]], host: str, *, server: bool) -> None:
        self._procs = [proc for _, proc in callbacks]
        self._table = _table(callbacks)
        self._conn = c_void_p()
        sasl, name = _sasl(), host.encode()
        if server:
            code = sasl.sasl_server_new(b"smtp", name, None, None, None, self._table, 0, byref(self._conn))
        else:
            code = sasl.sasl_client_new(b"smtp", name, None, None, self._table, 0, byref(self._conn))
        if code != OK:
            raise OracleError(f"no connection: {code}")

    def __enter__(self) -> c_void_p:
        return self._conn

    def __exit__(self, *exc: object) -> None:
        _sasl().sasl_dispose(byref(self._conn))


def _table(callbacks: list[tuple[int, object]]) -> "ctypes.Array[_Callback]":
    entries = [_Callback(number, ctypes.cast(proc, c_void_p), None) for number, proc in callbacks]  # type: ignore[arg-type]
    return (_Callback * (len(entries) + 1))(*entries, _Callback(_LIST_END, None, None))


def _server_callbacks(db: Path, log: list[str]) -> list[tuple[int, object]]:
    options = [] if APPLICATION else [(_GETOPT, _getopt(db))]
    return [*options, (_LOG, _logger(log))]


def _getopt(db: Path) -> object:
    options = {
        b"sasldb_path": str(db).encode(),
        b"auxprop_plugin": b"sasldb",
        b"pwcheck_method": b"auxprop",
        b"log_level": b"7",
    }
    kept = {name: c_char_p(value) for name, value in options.items()}

    def getopt(_context: int, _plugin: bytes, option: bytes, result: Iterator[c_char_p], size: object) -> int:
        if option not in kept:
            return -1
        result[0] = kept[option]  # type: ignore[index]
        if size:
            size[0] = len(options[option])  # type: ignore[index]
        return OK

    return _GetOpt(getopt)


def _logger(log: list[str]) -> object:
    def write(_context: int, _level: int, message: bytes) -> int:
        log.append(message.decode(errors="replace"))
        return OK

    return _Log(write)


def _client_callbacks(authcid: str, realm: str, password: bytes) -> list[tuple[int, object]]:
    name, domain = c_char_p(authcid.encode()), c_char_p(realm.encode())
    packed = ctypes.create_string_buffer(bytes(c_ulong(len(password))) + password)

    def simple(
        _context: int, _id: int, result: "ctypes.Array[c_char_p]", size: "ctypes.Array[c_uint]"
    ) -> int:
        result[0] = name
        if size:
            size[0] = len(name.value or b"")
        return OK

    def secret(_conn: int, _context: int, _id: int, result: "ctypes.Array[c_void_p]") -> int:
        result[0] = ctypes.addressof(packed)
        return OK

    def choose(_context: int, _id: int, _offered: object, result: "ctypes.Array[c_char_p]") -> int:
        result[0] = domain
        return OK

    get = _GetSimple(simple)
    return [
        (_USER, get),
        (_AUTHNAME, get),
        (_PASS, _GetSecret(secret)),
        (_GETREALM, _GetRealm(choose)),
        (_LOG, _logger([])),
    ]


@functools.cache
def _sasl() -> ctypes.CDLL:
    """libsasl2 with both sides initialised, once in a process."""
    library = ctypes.CDLL("libsasl2.so.2")
    pointers, lengths = POINTER(c_void_p), POINTER(c_uint)
    library.sasl_server_start.argtypes = (c_void_p, c_char_p, c_void_p, c_uint, pointers, lengths)
    library.sasl_server_step.argtypes = (c_void_p, c_void_p, c_uint, pointers, lengths)
    library.sasl_client_start.argtypes = (c_void_p, c_char_p, c_void_p, pointers, lengths, POINTER(c_char_p))
    library.sasl_client_step.argtypes = (c_void_p, c_void_p, c_uint, c_void_p, pointers, lengths)
    library.sasl_checkpass.argtypes = (c_void_p, c_char_p, c_uint, c_char_p, c_uint)
    # The plugin refuses every later look-up unless its first path was accepted; a missing file is accepted.
    start = _server_callbacks(Path("/nonexistent/sasldb2"), [])
    library.kept = (start, _table(start))  # type: ignore[attr-defined]
    for code in (
        library.sasl_client_init(library.kept[1]),
        library.sasl_server_init(library.kept[1], APPLICATION),
    ):
        if code != OK:
            raise OracleError(f"libsasl2 does not start: {code}")
    return library


if __name__ == "__main__":
    file, question = Path(sys.argv[1]), json.load(sys.stdin)
    APPLICATION = file.stem.encode()
    found = [
        [m for m in question["mechanisms"] if authenticate(file, m, who, where, bytes.fromhex(secret))]
        for who, where, secret in question["logins"]
    ]
    json.dump(found, sys.stdout)
