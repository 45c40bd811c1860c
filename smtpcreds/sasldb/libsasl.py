"""Ask this host's libsasl2 whether a password opens an account, mechanism by mechanism.

libsasl2 loads every plugin that it finds, and some crash or wait for a network. So it runs in a process of
its own, which gets the password through a pipe, leaves no core file and has a time limit.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence

from ..children import run
from ..errors import InexpressibleError
from ..lazy import dataclass
from ..model import Credential
from ..postgres import is_url, parse_url, plugin_options
from .detect import has_plugin, host_format
from .libsasl_child import NO_LIBRARY
from .opening import format_at

TIMEOUT = 20.0
"""Seconds for all mechanisms together; they take some milliseconds each."""
_OK, _NO_MECHANISM = 0, -4
_REFUSALS = frozenset({-2, -13, -20})
"""An end looked and said no: BADAUTH, NOUSER, and -2, which scram.c gives for a verifier of another hash."""


@dataclass(frozen=True)
class Answer:
    """What libsasl2 says of one mechanism; ``opens`` is None, with the reason, where it gave no answer."""

    opens: bool | None
    reason: str = ""


def ask(database: str, who: Credential, mechanisms: Sequence[str]) -> dict[str, Answer]:
    """Let the server and the client of libsasl2 authenticate to each other, over no network.

    Args:
        database: a URL, or a file of any format; libsasl2 reads the one that its plugin is linked to.
        who: the client, with the name that it is given in ``default-auth-info``, and the relay's realm.
        mechanisms: in the order in which they are tried.
    """
    reason, options = _url_options(database) if is_url(database) else _file_options(database)
    if reason:
        return dict.fromkeys(mechanisms, Answer(None, reason))
    request = {
        "options": {"pwcheck_method": "auxprop", **options},
        "authcid": who.login,
        "realm": who.relay_realm,
        "mechanisms": list(mechanisms),
    }
    reason, lines = _run(json.dumps(request).encode() + b"\n" + who.secret.reveal())
    found = dict(_answers(lines))
    return {mechanism: found.get(mechanism, Answer(None, reason)) for mechanism in mechanisms}


def _file_options(database: str) -> tuple[str, dict[str, str]]:
    """Return why libsasl2 need not be asked, or the options with which it finds the accounts."""
    here, there = host_format(), format_at(database)
    if here is None:
        return "this host's libsasl2 has no sasldb plugin", {}
    if here != there:
        return f"this host's libsasl2 reads {here}, and the database is {there}", {}
    path = os.fsencode(database).decode(errors="surrogateescape")
    return "", {"auxprop_plugin": "sasldb", "sasldb_path": path}


def _url_options(database: str) -> tuple[str, dict[str, str]]:
    """Return the same of a URL; the plugin reads as the role that the URL names."""
    if not has_plugin("libsql.so"):
        return "this host's libsasl2 has no sql plugin", {}
    url = parse_url(database)
    try:
        return "", plugin_options(url, url.user)
    except InexpressibleError as error:
        return str(error), {}


def _run(request: bytes) -> tuple[str, list[bytes]]:
    """Return what to say where a line is missing, and the lines."""
    from . import libsasl_child

    command = [sys.executable, "-I", "-S", os.path.abspath(libsasl_child.__file__)]
    try:
        done = run(command, given=request, timeout=TIMEOUT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        return f"libsasl2 gave no answer in {TIMEOUT:.0f} seconds", (error.stdout or b"").splitlines()
    if done.returncode == NO_LIBRARY:
        return "this host has no libsasl2", []
    return f"libsasl2 broke off ({_how(done.returncode)})", done.stdout.splitlines()


def _answers(lines: Iterable[bytes]) -> Iterable[tuple[str, Answer]]:
    for line in lines:
        mechanism, server, client, reason = json.loads(line)
        yield mechanism, _answer(mechanism, {server, client}, reason)


def _answer(mechanism: str, codes: set[int], reason: str) -> Answer:
    if codes == {_OK}:
        return Answer(True)
    if codes & _REFUSALS:
        return Answer(False)
    if _NO_MECHANISM in codes:
        return Answer(None, f"this host's libsasl2 has no {mechanism}")
    return Answer(None, f"libsasl2 answered {min(codes)}{reason and f': {reason}'}")


def _how(status: int) -> str:
    return f"signal {-status}" if status < 0 else f"status {status}"
