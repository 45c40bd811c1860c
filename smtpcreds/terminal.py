"""One line from a terminal with echo off, and echo back on whatever happens.

The order of things is readpassphrase(3)'s: a signal that ends or stops the process is only noted while echo
is off; then echo returns, then the signal is raised again. After a stop the question is asked again. No
handler raises an exception, so there is no instant at which the terminal could be left silent.
"""

import os
import select
import signal
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import field

from .lazy import dataclass

MAX_LINE = 4096
"""Octets with the line feed that Linux holds of one line (N_TTY_BUF_SIZE); it drops the rest in silence."""

_CAUGHT = (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM, signal.SIGTSTP)
_LFLAG = 3


@dataclass
class _Signals:
    """What came in, and a descriptor that is readable once something did."""

    wakeup: int
    numbers: list[int] = field(default_factory=list)


def ask(terminal: int, question: str) -> bytes:
    """Show the question and return the line typed, line feed included; what there is, if the terminal ends.

    Only for the main thread, as signal handlers are.

    Args:
        terminal: descriptor open for reading and writing.
        question: shown as it is.
    """
    while True:
        with _noting_signals() as signals, _silence(terminal):
            os.write(terminal, question.encode())
            line = _line(terminal, signals)
        if not signals.numbers:
            return line
        for number in signals.numbers:
            signal.raise_signal(number)


def _line(terminal: int, signals: _Signals) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([terminal, signals.wakeup], [], [])
        if signals.wakeup in ready or not (part := _part(terminal)):
            break
        line += part
    return line


def _part(terminal: int) -> bytes:
    try:
        return os.read(terminal, MAX_LINE)
    except OSError:  # EIO: the other end hung up
        return b""


@contextmanager
def _silence(terminal: int) -> Iterator[None]:
    before = termios.tcgetattr(terminal)
    silent = before.copy()
    silent[_LFLAG] &= ~(termios.ECHO | termios.ECHONL)
    try:
        # FLUSH: what was typed ahead has been on the screen.
        termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
        yield
    finally:
        with suppress(termios.error, OSError):  # EIO: the other end hung up
            termios.tcsetattr(terminal, termios.TCSADRAIN, before)
            os.write(terminal, b"\n")


@contextmanager
def _noting_signals() -> Iterator[_Signals]:
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signals = _Signals(reader)
    previous_wakeup = signal.set_wakeup_fd(writer)
    ours = [number for number in _CAUGHT if signal.getsignal(number) != signal.SIG_IGN]
    previous = {number: signal.signal(number, lambda got, _: signals.numbers.append(got)) for number in ours}
    try:
        yield signals
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(previous_wakeup)
        os.close(reader)
        os.close(writer)
