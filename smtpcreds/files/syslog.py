"""Deeds in syslog's authpriv, where auditors look; no secrets.

libc's syslog(3) waits without end for a daemon that is stopped, and is silent about a line that nobody took.
Here a line is sent at its deed, without waiting, so that a kill loses none that syslog would have taken. What
is not taken waits until its run holds no lock any more: nobody waits with it, and a kill then loses only what
was about to be lost.
"""

import errno
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, ClassVar

from ..errors import shown
from ..systems import SYSTEMS
from .disk import disk

if TYPE_CHECKING:
    from socket import socket

PLACES = tuple(dict.fromkeys(system.syslog for system in SYSTEMS.values()))
"""The daemon's socket; it tells what a daemon listens to by itself, whatever ``--root`` is."""
PATIENCE = 3.0
"""Seconds that a run waits for a daemon that takes nothing."""
MOST = 8192
"""Octets of a line, as rsyslogd reads by default."""
_A_LINE = 0.001
"""Seconds more for each line that waits: a daemon that is merely slower than a batch is not given up."""
_PAUSE = 0.001
_LOOK = 50
"""Milliseconds; a stream whose backlog is full, and kernels that call a full datagram socket writable."""
_NAMED = 3
_AUTHPRIV_NOTICE = 10 << 3 | 5
"""RFC 3164 section 4.1.1."""
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_Warn = Callable[[str], None]


def actor() -> str:
    """Return who acts: behind sudo the person, else the name of the running user."""
    import pwd

    try:
        return os.environ.get("SUDO_USER") or pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def audit_to_syslog(warn: _Warn, what: str, deeds: Iterable[tuple[str, str]]) -> None:
    """Log a deed, as ``sasl add``, to each subject with its detail, which may be empty.

    Args:
        warn: takes a line about those that are lost, unless :func:`syslog_of_run` has another.
        what: the deed.
        deeds: subject and detail.
    """
    if disk().is_preview:
        return
    who = actor()
    with syslog_of_run(warn) as log:
        for subject, detail in deeds:
            log.tell(shown(f"{what} {subject} by {who}{detail and f': {detail}'}"))


@contextmanager
def syslog_of_run(warn: _Warn) -> "Iterator[Log]":
    """Let lines of the block that syslog does not take at once wait until its end.

    No lock is held there any more. One line to ``warn`` names those that are lost.
    """
    if outer := _of_run.get():
        yield outer
        return
    log = Log()
    before = _of_run.set(log)
    try:
        yield log
    finally:
        _of_run.reset(before)
        log.finish(warn)


class Log:
    """The lines of one run on their way to the daemon.

    Attributes:
        patience: seconds that are left; all of them again once a line was taken.
    """

    patience: ClassVar[float] = PATIENCE

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._begun = b""
        """What is left of the first line on a stream that took the beginning of it."""
        self._place: str | None = None
        self._socket: socket | None = None
        self._end = b""
        self._fault = ""

    def tell(self, text: str) -> None:
        """Send a line if syslog takes it at once, else keep it."""
        if self._place is None:
            self._place = next(filter(_is_socket, PLACES), "")
        if self._place:
            self._lines.append(_line(text))
            self._send()

    def finish(self, warn: _Warn) -> None:
        """Wait for a daemon that takes nothing, and give up what it does not take."""
        try:
            self._wait()
        finally:
            self._close()
            if self._lines:
                Log.patience = 0.0
                why = self._fault or "syslog takes no lines"
                warn(f"{self._place}: {why}; not logged: {_named(self._lines)}")

    def _wait(self) -> None:
        deadline = time.monotonic() + Log.patience + _A_LINE * len(self._lines)
        while self._lines and not self._fault and time.monotonic() < deadline:
            before = len(self._lines)
            self._await_room()
            self._send()
            if len(self._lines) == before:
                time.sleep(_PAUSE)

    def _await_room(self) -> None:
        from select import POLLOUT, poll

        if self._socket:
            found = poll()
            found.register(self._socket, POLLOUT)
            found.poll(_LOOK)

    def _send(self) -> None:
        """Send what syslog takes without waiting; a daemon that was started again listens at a new socket."""
        tries = 2
        while self._lines and tries:
            try:
                self._send_one()
            except OSError as error:
                if error.errno in _FULL:
                    return
                self._fault = os.strerror(error.errno or 0)
                self._close()
                tries -= 1
            else:
                tries, self._fault = 2, ""

    def _send_one(self) -> None:
        if not self._socket:
            self._socket, self._end = _connected(self._place or "")
        octets = self._begun or self._lines[0] + self._end
        self._begun = octets[self._socket.send(octets) :]
        if not self._begun:
            self._lines.popleft()
            Log.patience = PATIENCE

    def _close(self) -> None:
        self._begun = b""
        if self._socket:
            self._socket.close()
            self._socket = None


_of_run: ContextVar[Log | None] = ContextVar("syslog", default=None)
_FULL = {errno.EAGAIN, errno.ENOBUFS}
"""Of send(2) and connect(2), on Linux and on FreeBSD, where the daemon does not read."""


def _is_socket(path: str) -> bool:
    try:
        return stat.S_ISSOCK(os.stat(path).st_mode)
    except OSError:
        return False


def _connected(place: str) -> "tuple[socket, bytes]":
    """Return a connection that never waits, and what ends each line on it, as in syslog(3)."""
    from socket import SOCK_DGRAM, SOCK_STREAM

    try:
        return _opened(place, SOCK_DGRAM), b""
    except OSError as error:
        if error.errno != errno.EPROTOTYPE:
            raise
    return _opened(place, SOCK_STREAM), b"\0"


def _opened(place: str, kind: int) -> "socket":
    from socket import AF_UNIX, socket

    made = socket(AF_UNIX, kind)
    try:
        made.setblocking(False)
        made.connect(place)
    except OSError:
        made.close()
        raise
    return made


def _line(text: str) -> bytes:
    """Return a line as syslog(3) writes it (RFC 3164 section 4.1); names of months are English everywhere."""
    now = time.localtime()
    stamp = f"{_MONTHS[now.tm_mon - 1]} {now.tm_mday:2} {time.strftime('%H:%M:%S', now)}"
    line = f"<{_AUTHPRIV_NOTICE}>{stamp} smtpcreds[{os.getpid()}]: {text}"
    return line.encode(errors="backslashreplace")[:MOST]


def _named(lines: "deque[bytes]") -> str:
    """Return what lines say, and of many the first three."""
    first = [line.partition(b"]: ")[2].decode(errors="replace") for line in list(lines)[:_NAMED]]
    more = f" and {len(lines) - _NAMED} more" if len(lines) > _NAMED else ""
    return ", ".join(first) + more
