"""Work that several processes share: each child makes its pieces, and sends them through a pipe.

Nothing of a piece touches the disk on its way. A child keeps no file of its parent open, neither the lock nor
the inventory, so it can't outlive the run that it belongs to: its next piece finds nobody who reads it.
"""

import marshal
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from io import BytesIO
from signal import SIG_IGN, SIGCHLD, SIGKILL, getsignal
from typing import IO

Piece = bytes | tuple["Piece", ...] | str | None

Around = Callable[[], AbstractContextManager[object]]

FEW = 200
"""Fewer pieces a process are not worth its start."""


def processes(pieces: int, wanted: int | None) -> int:
    """Return how many processes are to share the work: as wanted, else one for each processor.

    A process with threads does the work itself unless it is told otherwise: a lock that another thread held
    would be locked in the child for ever.

    Args:
        pieces: of the work, a third of a millisecond each, or longer.
        wanted: None leaves it to the number of pieces.
    """
    if wanted:
        return max(1, min(pieces, wanted))
    return max(1, min(_processors(), pieces // FEW)) if _has_one_thread() else 1


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _has_one_thread() -> bool:
    threading = sys.modules.get("threading")
    return threading is None or threading.active_count() == 1


def shared(pieces: int, make: Callable[[int], Piece], jobs: int) -> Iterator[Piece]:
    """Give what children made of pieces 0, 1, 2, ...; None for what the caller has to make.

    That is every piece where ``jobs`` is 1 or the system gives no process, those that raised, and those of a
    child that was killed.
    """
    if jobs < 2:
        yield from (None for _ in range(pieces))
        return
    with ExitStack() as stack:
        pipes = [stack.enter_context(_child(range(one, pieces, jobs), make)) for one in range(jobs)]
        for piece in range(pieces):
            yield _received(pipes[piece % jobs])


@contextmanager
def from_the_end(
    pieces: int, make: Callable[[int], Piece], around: Around = nullcontext
) -> Iterator[Callable[[int], Piece]]:
    """Have a child make pieces, the last one first, while the caller goes on; give what takes one of them.

    What takes a piece never waits: it gives None for what the caller has to make, which is any piece that the
    child does not have yet. So a caller that begins with the first piece meets the child half-way.

    Args:
        pieces: how many.
        make: makes one; it finds no file open, so none of SQLite.
        around: all that the child makes.
    """
    with ExitStack() as stack:
        is_shared = processes(pieces, None) > 1
        order = range(pieces - 1, -1, -1)
        pipe = stack.enter_context(_child(order, make, around)) if is_shared else None
        yield _Ahead(pipe.fileno(), pieces).take if pipe else _nothing


def _nothing(_: int) -> Piece:
    return None


_AT_ONCE = 1 << 16
"""Octets; a pipe holds no more."""
_SELDOM = 8
"""Pieces for which the caller looks once; a look takes a tenth of the time of a piece."""


class _Ahead:
    """The pieces from ``_first`` on, which came through the pipe, and the beginning of the one before."""

    def __init__(self, pipe: int, pieces: int) -> None:
        os.set_blocking(pipe, False)
        self._pipe, self._first, self._rest = pipe, pieces, b""
        self._made: dict[int, Piece] = {}

    def take(self, piece: int) -> Piece:
        if piece < self._first and piece % _SELDOM == 0:
            self._receive()
        return self._made.pop(piece, None)

    def _receive(self) -> None:
        with suppress(BlockingIOError):
            while some := os.read(self._pipe, _AT_ONCE):
                self._rest += some
        received, whole = BytesIO(self._rest), 0
        with suppress(EOFError):  # within a piece
            while True:
                made: Piece = marshal.load(received)  # noqa: S302 - from a child of this process
                self._first, whole = self._first - 1, received.tell()
                self._made[self._first] = made
        self._rest = self._rest[whole:]


def _received(pipe: IO[bytes] | None) -> Piece:
    if pipe is None:
        return None
    try:
        found: Piece = marshal.load(pipe)  # noqa: S302 - from a child of this process
    except (EOFError, ValueError, TypeError):  # it was killed, perhaps within a piece
        return None
    return found


@contextmanager
def _child(
    pieces: Sequence[int], make: Callable[[int], Piece], around: Around = nullcontext
) -> Iterator[IO[bytes] | None]:
    """Start a child, and end it; None where the system gives none."""
    from .children import signals_held

    with ExitStack() as stack:
        with signals_held():
            reading, writing = os.pipe()
            process = _forked()
            if process == 0:
                _work(writing, pieces, make, around)
            os.close(writing)
            pipe = stack.enter_context(open(reading, "rb"))
            if process:
                stack.callback(_end, process)
        yield pipe if process else None


def _forked() -> int | None:
    if getsignal(SIGCHLD) == SIG_IGN:  # its number would not stay its own until it is waited for (wait(2))
        return None
    try:
        return os.fork()
    except OSError:
        return None


def _end(process: int) -> None:
    """End a child; it is not waited for before this, so the number is still its own."""
    os.kill(process, SIGKILL)
    os.waitpid(process, 0)


def _work(pipe: int, pieces: Sequence[int], make: Callable[[int], Piece], around: Around) -> None:
    """Make the pieces and end the process, without what the parent does when it ends."""
    try:
        os.dup2(pipe, 3)
        os.closerange(4, os.sysconf("SC_OPEN_MAX"))
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):  # whoever reads what the parent says must not wait for a child
            os.dup2(nothing, stream)
        with open(3, "wb") as sent, around():
            for piece in pieces:
                sent.write(marshal.dumps(_made(make, piece)))
                sent.flush()
    finally:
        os._exit(0)


def _made(make: Callable[[int], Piece], piece: int) -> Piece:
    try:
        return make(piece)
    except Exception:  # noqa: BLE001 - the parent meets it again, and says it
        return None
