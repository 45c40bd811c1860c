"""Both ends of libsasl2, authenticating to each other in memory. Run as a script, in a process of its own.

Standard input: a line of JSON (options, authcid, realm, mechanisms), then the password's octets to the end.
Octets that are not UTF-8, as paths may have, are surrogates in it.
Standard output: for each mechanism, as soon as it is known, a line of JSON: its name, the codes of
<sasl/sasl.h> that server and client ended with, and what libsasl2 says of them. Exit status NO_LIBRARY: there
is no libsasl2.

The server is set up as sendmail's is: its host name, ``realm``, is that of bare names. Imports nothing of
ours, so that it starts in a bare interpreter from any directory.
"""

import ctypes
import json
import os
import resource
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_uint, c_ulong, c_void_p
from typing import Any

NO_LIBRARY = 3
_LIBRARIES = ("libsasl2.so.2", "libsasl2.so.3")
_OK, _CONTINUE, _FAIL = 0, 1, -1
_STEPS = 8
_PR_SET_DUMPABLE = 4
"""From linux/prctl.h."""
_ERROR = 1
"""SASL_LOG_ERR, the level of unusual errors."""
_LIST_END, _GETOPT, _LOG = 0, 1, 2
_USER, _AUTHNAME, _PASS, _GETREALM = 0x4001, 0x4002, 0x4004, 0x4008
_BOTH = frozenset({_OK, _CONTINUE})

_GetOption = ctypes.CFUNCTYPE(c_int, c_void_p, c_char_p, c_char_p, POINTER(c_char_p), POINTER(c_uint))
_Log = ctypes.CFUNCTYPE(c_int, c_void_p, c_int, c_char_p)
_GetText = ctypes.CFUNCTYPE(c_int, c_void_p, c_int, POINTER(c_char_p), POINTER(c_uint))
_GetSecret = ctypes.CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, POINTER(c_void_p))
_GetRealm = ctypes.CFUNCTYPE(c_int, c_void_p, c_int, POINTER(c_char_p), POINTER(c_char_p))


class _Callback(ctypes.Structure):
    _fields_ = (("id", c_ulong), ("proc", c_void_p), ("context", c_void_p))


class Exchange:
    """libsasl2 with both sides initialised for one set of options and one client."""

    def __init__(self, library: ctypes.CDLL, request: dict[str, Any], password: bytes) -> None:
        self._sasl, self._realm, self._password = library, _octets(request["realm"]), password
        self._errors: list[bytes] = []
        self._server = _table(_server_callbacks(request["options"], self._errors))
        self._client = _table(_client_callbacks(_octets(request["authcid"]), self._realm, password))
        table = self._server[1]
        for code in (library.sasl_client_init(table), library.sasl_server_init(table, None)):
            if code != _OK:
                raise SystemExit(1)

    def run(self, mechanism: bytes) -> tuple[int, int, str]:
        """Return the codes that server and client ended with, and the reason of the first that failed."""
        server, client = c_void_p(), c_void_p()
        sasl, host = self._sasl, self._realm
        self._errors.clear()
        made = (
            sasl.sasl_server_new(b"smtp", host, None, None, None, self._server[1], 0, byref(server)),
            sasl.sasl_client_new(b"smtp", host, None, None, self._client[1], 0, byref(client)),
        )
        try:
            codes = made if any(made) else self._converse(server, client, mechanism)
            return *codes, self._reason(server, client, codes)
        finally:
            sasl.sasl_dispose(byref(server))
            sasl.sasl_dispose(byref(client))

    def _reason(self, server: c_void_p, client: c_void_p, codes: tuple[int, int]) -> str:
        """Return libsasl2's own words, and nothing that holds the password."""
        sides = ((code, side) for code, side in zip(codes, (server, client), strict=True) if code < 0)
        code, side = next(sides, (_OK, None))
        words = self._sasl.sasl_errdetail(side) if side else self._sasl.sasl_errstring(code, None, None)
        said = b"" if code == _OK else b"; ".join([words.split(b": ", 2)[-1], *self._errors[-1:]])
        return "" if self._password in said else said.decode(errors="replace")

    def _converse(self, server: c_void_p, client: c_void_p, mechanism: bytes) -> tuple[int, int]:
        sasl, data, size, chosen = self._sasl, c_void_p(), c_uint(), c_char_p()
        out = byref(data), byref(size)
        asked = sasl.sasl_client_start(client, mechanism, None, *out, byref(chosen))
        if asked not in _BOTH:
            return _CONTINUE, asked
        answered = sasl.sasl_server_start(server, mechanism, data, size, *out)
        for _ in range(_STEPS):
            if {asked, answered} == {_OK} or not {asked, answered} <= _BOTH:
                break
            asked = sasl.sasl_client_step(client, data, size, None, *out)
            if asked in _BOTH and answered == _CONTINUE:
                answered = sasl.sasl_server_step(server, data, size, *out)
        return answered, asked


def main() -> None:
    """Read the request, answer it, and end without libsasl2's own clean-up."""
    _close_memory()
    request = json.loads(sys.stdin.buffer.readline())
    exchange = Exchange(_library(), request, sys.stdin.buffer.read())
    for mechanism in request["mechanisms"]:
        answer = exchange.run(mechanism.encode())
        sys.stdout.write(json.dumps([mechanism, *answer]) + "\n")
        sys.stdout.flush()
    os._exit(0)


def _close_memory() -> None:
    """As the program that started this one did for itself; exec(2) makes a process dumpable again."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    except AttributeError:  # another kernel than Linux
        return


def _library() -> ctypes.CDLL:
    for name in _LIBRARIES:
        try:
            return _declared(ctypes.CDLL(name))
        except OSError:
            continue
    raise SystemExit(NO_LIBRARY)


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """Give the functions their types; without them ctypes cuts pointers to 32 bits."""
    data = (c_void_p, c_uint)
    out = (POINTER(c_void_p), POINTER(c_uint))
    library.sasl_client_init.argtypes = (c_void_p,)
    library.sasl_server_init.argtypes = (c_void_p, c_char_p)
    library.sasl_server_new.argtypes = (*(c_char_p,) * 5, c_void_p, c_uint, POINTER(c_void_p))
    library.sasl_client_new.argtypes = (*(c_char_p,) * 4, c_void_p, c_uint, POINTER(c_void_p))
    library.sasl_server_start.argtypes = (c_void_p, c_char_p, *data, *out)
    library.sasl_server_step.argtypes = (c_void_p, *data, *out)
    library.sasl_client_start.argtypes = (c_void_p, c_char_p, c_void_p, *out, POINTER(c_char_p))
    library.sasl_client_step.argtypes = (c_void_p, *data, c_void_p, *out)
    library.sasl_dispose.argtypes = (POINTER(c_void_p),)
    library.sasl_errdetail.argtypes, library.sasl_errdetail.restype = (c_void_p,), c_char_p
    library.sasl_errstring.argtypes = (c_int, c_char_p, POINTER(c_char_p))
    library.sasl_errstring.restype = c_char_p
    return library


def _table(callbacks: dict[int, Any]) -> tuple[dict[int, Any], Any]:
    """Return the functions, which must outlive the table, and the table."""
    entries = [_Callback(number, ctypes.cast(function, c_void_p)) for number, function in callbacks.items()]
    return callbacks, (_Callback * (len(entries) + 1))(*entries, _Callback(_LIST_END))


def _server_callbacks(given: dict[str, str], errors: list[bytes]) -> dict[int, Any]:
    options = {_octets(name): _octets(value) for name, value in given.items()}
    kept = {name: c_char_p(value) for name, value in options.items()}

    def option(_context: object, _plugin: object, name: bytes, result: Any, size: Any) -> int:
        if name not in kept:
            return _FAIL
        result[0] = kept[name]
        if size:
            size[0] = len(options[name])
        return _OK

    def log(_context: object, level: int, message: bytes) -> int:
        """Keep unusual errors; a wrong password stays out of syslog, where monitors count failures."""
        if level == _ERROR:
            errors.append(message)
        return _OK

    return {_GETOPT: _GetOption(option), _LOG: _Log(log)}


def _client_callbacks(authcid: bytes, realm: bytes, password: bytes) -> dict[int, Any]:
    name, domain = c_char_p(authcid), c_char_p(realm)
    packed = ctypes.create_string_buffer(bytes(c_ulong(len(password))) + password)

    def text(_context: object, _id: int, result: Any, size: Any) -> int:
        result[0] = name
        if size:
            size[0] = len(authcid)
        return _OK

    def secret(_connection: object, _context: object, _id: int, result: Any) -> int:
        result[0] = ctypes.addressof(packed)
        return _OK

    def choose(_context: object, _id: int, _offered: object, result: Any) -> int:
        result[0] = domain
        return _OK

    get = _GetText(text)
    return {
        _USER: get,
        _AUTHNAME: get,
        _PASS: _GetSecret(secret),
        _GETREALM: _GetRealm(choose),
        _LOG: _Log(_silent),
    }


def _octets(text: str) -> bytes:
    """Return UTF-8, which is what records are looked up by, whatever the locale."""
    return text.encode(errors="surrogateescape")


def _silent(_context: object, _level: int, _message: object) -> int:
    """Keep the client out of syslog."""
    return _OK


if __name__ == "__main__":
    main()
