"""A listener on a host's /dev/log."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.process import PATIENCE, LabError

PREFIX = re.compile(r"^<\d+>(?:\w{3} [ \d]\d \d\d:\d\d:\d\d )?")
LOOK = b"tests/lab/syslog.py looks"


class Log:
    """The lines that programs of one host sent to syslog, as `TAG[PID]: TEXT`, in order of arrival."""

    def __init__(self, path: Path) -> None:
        self._lines: list[str] = []
        self._news = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._path, self._looks, self._seen = str(path), 0, 0
        path.chmod(0o666)
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def _receive(self) -> None:
        while datagram := self._socket.recv(65536):
            line = PREFIX.sub("", datagram.decode(errors="backslashreplace").rstrip("\n\0"))
            with self._news:
                if datagram == LOOK:
                    self._seen += 1
                else:
                    self._lines.append(line)
                self._news.notify_all()

    def close(self) -> None:
        """Stop listening; the lines stay readable."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._socket.close()

    @property
    def lines(self) -> list[str]:
        """All lines so far: those that were sent before, though the thread may not have read them yet."""
        self._catch_up()
        with self._news:
            return list(self._lines)

    def _catch_up(self) -> None:
        """Send a datagram behind all others, and wait until it has come."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            try:
                sender.sendto(LOOK, self._path)
            except OSError:  # the host has gone
                return
        with self._news:
            self._looks += 1
            mine = self._looks
            self._news.wait_for(lambda: self._seen >= mine, PATIENCE)

    def forget(self) -> None:
        """Drop all lines so far."""
        self._catch_up()
        with self._news:
            self._lines.clear()

    def find(self, pattern: str) -> list[re.Match[str]]:
        """Return the match of each line so far in which the regular expression `pattern` is found.

        Programs log after they have answered: `wait` for what must happen, and for a later line before
        looking for what must not.
        """
        self._catch_up()
        return self._found(pattern)

    def _found(self, pattern: str) -> list[re.Match[str]]:
        with self._news:
            return [match for line in self._lines if (match := re.search(pattern, line))]

    def comes(self, pattern: str, nth: int, patience: float) -> bool:
        """Wait some seconds; tell whether the `nth` match of `pattern` came."""
        with self._news:
            return self._news.wait_for(lambda: len(self._found(pattern)) >= nth, patience)

    def wait(self, pattern: str, nth: int = 1) -> re.Match[str]:
        """Return the `nth` match of `pattern`, waiting for the line if need be.

        Raises:
            LabError: no such line came; the text holds the log.
        """
        with self._news:
            self._news.wait_for(lambda: len(self._found(pattern)) >= nth, PATIENCE)
        if len(found := self._found(pattern)) >= nth:
            return found[nth - 1]
        raise LabError(f"no log line matches {pattern!r} in:\n" + "\n".join(self.lines))

    @contextmanager
    def awaits(self, pattern: str, more: int = 1) -> Iterator[None]:
        """Wait at the end of a block until so many lines came that were not there when it began."""
        before = len(self.find(pattern))
        yield
        if more:
            self.wait(pattern, before + more)
