"""A process that has the program's imports behind it and becomes a run of it: they are most of the time.

A run is a process of its own, as ``python -m smtpcreds`` is. Its arguments, environment, directory, streams
and user are those asked for, and it leads a session without a terminal.
"""

import atexit
import ctypes
import gc
import importlib
import importlib.util
import json
import os
import pkgutil
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import CodeType
from typing import IO, Any, NoReturn

from place import IMPORTS, PLACE, TOP
from syscalls import library, stop_before

TESTS = str(TOP / "tests")
SCRIPTS = ("smtpcreds.__main__", "smtpcreds.sasldb.libsasl_child")
"""Modules that are started, not imported."""
_NAMESPACES = ("uts", "ipc", "net", "pid_for_children", "mnt")
_libc = ctypes.CDLL(None, use_errno=True)
MARK = "getppid"
"""The system call that shows a run that it is traced."""


class Warm:
    """The way to that process; started when it is needed, ends with the process of the tests."""

    def __init__(self) -> None:
        self._ours: socket.socket | None = None
        atexit.register(self.close)

    def close(self) -> None:
        """End it."""
        if self._ours:
            self._ours.close()
            self._server.wait()
            self._ours = None

    def start(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        directory: Path,
        streams: tuple[int, int, int],
        *,
        user: int = 0,
        traced: str = "",
        stops: Sequence[int] = (),
        teller: socket.socket | None = None,
        host: int = 0,
        mask: int = 0,
    ) -> int:
        """Start a run; return its process id.

        Args:
            words: the arguments of the program.
            environment: all of it.
            directory: where it works.
            streams: its standard streams.
            user: and group, by number.
            traced: a log of strace; the run begins when something is in it.
            stops: system calls, by number, before which it stops.
            teller: how to go on comes through it; see :func:`syscalls.tell`.
            host: a process whose namespaces, root among them, are those of the run, which knows that it was
                started by ``python -m``: so its hints can be typed there.
            mask: its mode mask.
        """
        if not self._ours:
            self._ours, self._server = _served()
        asked = {
            "words": list(words),
            "environment": dict(environment),
            "directory": str(directory),
            "user": user,
            "traced": traced,
            "stops": list(stops),
            "host": host,
            "mask": mask,
            "name": str(PLACE / "smtpcreds/__main__.py") if host else "smtpcreds",
        }
        descriptors = [*streams, *([teller.fileno()] if teller else [])]
        socket.send_fds(self._ours, [json.dumps(asked).encode()], descriptors)
        return self._answer()

    def wait(self, patience: float) -> int:
        """Return how the run ended, as `subprocess.Popen.returncode` has it."""
        assert self._ours
        self._ours.settimeout(patience)
        return self._answer()

    def _answer(self) -> int:
        assert self._ours
        answer = self._ours.recv(100)
        assert answer, "the warm process has ended"
        return int(answer)


def _served() -> "tuple[socket.socket, subprocess.Popen[bytes]]":
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
    path = ":".join(filter(None, (IMPORTS.get("PYTHONPATH"), TESTS)))
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", **IMPORTS, "PYTHONPATH": path}
    command = [sys.executable, "-c", f"import warm; warm.serve({theirs.fileno()}, {str(PLACE)!r})"]
    with theirs:
        number = theirs.fileno()
        return ours, subprocess.Popen(command, env=environment, pass_fds=[number], stdin=subprocess.DEVNULL)


def serve(number: int, place: str) -> None:
    """Answer each request by a process id and, when that process has ended, its status.

    The test that needed the first run may have had a limit of memory, which is not that of later ones.
    """
    assert str(PLACE) == place, f"runs would be of {PLACE}, and the tests are of {place}"
    most = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    _import_all()
    library()
    program = _program()  # here: a trace may begin before a run does; its user may not be let in there
    with socket.socket(fileno=number) as theirs:
        while True:
            text, streams, _, _ = socket.recv_fds(theirs, 1 << 20, 4)
            if not text:
                return
            if (child := os.fork()) == 0:
                theirs.close()
                _become(program, json.loads(text), streams)
            for stream in streams:
                os.close(stream)
            theirs.send(b"%d" % child)
            theirs.send(b"%d" % os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _import_all() -> None:
    """Import what runs import; what does not import here fails where it is used.

    What is made at its first use is made here, once for all runs.
    """
    import smtpcreds
    from smtpcreds import lazy

    for module in pkgutil.walk_packages(smtpcreds.__path__, "smtpcreds."):
        if module.name not in SCRIPTS:
            with suppress(ImportError):
                for value in [*vars(importlib.import_module(module.name)).values()]:
                    if isinstance(value, type) and "__pending__" in vars(value):
                        lazy._complete(value)  # type: ignore[attr-defined]
                    elif isinstance(value, lazy.pattern):  # type: ignore[arg-type]
                        _ = value.groups
    gc.collect()
    gc.freeze()  # a run copies no page of what is there for good, only because its collector looks at it


def _become(program: CodeType, asked: dict[str, Any], descriptors: list[int]) -> NoReturn:
    streams, teller = descriptors[:3], descriptors[3:]
    os.setsid()
    os.umask(asked["mask"])
    if asked["host"]:
        _move_to(asked["host"])
    os.chdir(asked["directory"])
    for wanted, stream in enumerate(streams):
        os.dup2(stream, wanted)
        os.close(stream)
    if user := asked["user"]:
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    os.environ.clear()
    os.environ.update(asked["environment"])
    sys.stdin, sys.stdout, sys.stderr = _stream(0), _stream(1), _stream(2)
    sys.path[:] = [path for path in sys.path if path != TESTS]
    sys.argv = [asked["name"], *asked["words"]]
    while asked["traced"] and not os.path.getsize(asked["traced"]):
        os.getppid()
        time.sleep(0.001)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if teller:
        with socket.socket(fileno=teller[0]) as through:
            stop_before(asked["stops"], through)
    try:
        exec(program, {"__name__": "__main__", "__package__": "smtpcreds"})
    except SystemExit as end:
        _end(end.code)
    _end(0)


def _move_to(host: int) -> None:
    """Become a process of a host: a child of this one, as children alone enter a namespace of processes."""
    with ExitStack() as stack:
        opened = [stack.enter_context(open(f"/proc/{host}/ns/{kind}")) for kind in _NAMESPACES]
        for namespace in opened:
            if _libc.setns(namespace.fileno(), 0):
                raise OSError(ctypes.get_errno(), f"setns: {namespace.name}")
    if child := os.fork():
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if status < 0:
            os.kill(os.getpid(), -status)
        os._exit(status)


def _end(code: object) -> NoReturn:
    """End as Python does, but take none of the modules apart that the run did not load itself."""
    if not isinstance(code, int | None):
        raise SystemExit(code)
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


def _program() -> CodeType:
    """Return what ``python -m smtpcreds`` runs."""
    loader = importlib.util.find_spec(SCRIPTS[0]).loader  # type: ignore[union-attr]
    code: CodeType = loader.get_code(SCRIPTS[0])  # type: ignore[union-attr]
    return code


def _stream(number: int) -> IO[str]:
    """As Python opens it where the locale is C.UTF-8."""
    errors = "backslashreplace" if number == 2 else "surrogateescape"
    buffering = 1 if number == 2 else -1
    return open(number, "w" if number else "r", buffering, encoding="utf-8", errors=errors, closefd=False)
