"""Programs that are run for us, and never left behind by a signal that ends this run.

A signal that raises KeyboardInterrupt while ``subprocess.Popen`` starts a program leaves one that nobody
knows: it goes on, and keeps our standard error open.
"""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from subprocess import CompletedProcess, Popen

_ENDINGS: tuple[int, ...] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def signals_held() -> Iterator[None]:
    """Note what would end this run, and raise it again once the block is over.

    A child that is forked in it notes them, too, until it runs another program.
    """
    noted: list[int] = []
    before = {}
    try:
        with suppress(ValueError):  # a thread other than the main one, in which no handler ever runs
            for number in filter(_raises, _ENDINGS):
                before[number] = signal.signal(number, lambda got, _: noted.append(got))
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        for number in noted:
            signal.raise_signal(number)


def _raises(number: int) -> bool:
    """Tell whether a function is called, rather than that the signal is ignored or ends the process."""
    return callable(signal.getsignal(number))


@contextmanager
def running(words: Sequence[str], **options: Any) -> Iterator["Popen[bytes]"]:
    """Start a program for the length of a block; it is asked to end where the block is broken off.

    Args:
        words: as ``subprocess.Popen`` takes them.
        options: likewise.

    Raises:
        OSError: it can't be run.
    """
    with _started(words, options, lambda child: child.terminate()) as child:
        yield child


def run(
    words: Sequence[str], *, given: bytes | None = None, timeout: float | None = None, **options: Any
) -> "CompletedProcess[bytes]":  # fmt: skip
    """Run a program to its end; it is killed where this is broken off.

    Args:
        words: as ``subprocess.Popen`` takes them.
        given: its standard input; None leaves that to ``options``.
        timeout: seconds.
        options: as ``subprocess.Popen`` takes them.

    Raises:
        OSError: it can't be run.
        subprocess.TimeoutExpired: it took longer, and was killed; the error has the output so far.
    """
    from subprocess import PIPE, CompletedProcess, TimeoutExpired

    if given is not None:
        options["stdin"] = PIPE
    with _started(words, options, lambda child: child.kill()) as child:
        try:
            out, err = child.communicate(given, timeout)
        except TimeoutExpired:
            child.kill()
            child.wait()
            raise
    return CompletedProcess(words, child.returncode, out, err)


def run_bounded(
    words: Sequence[str], *, given: bytes, most: int, **options: Any
) -> "CompletedProcess[bytes]":  # fmt: skip
    """Run a program that may be told by others what to print; it is killed where one output exceeds a number.

    Args:
        words: as ``subprocess.Popen`` takes them.
        given: its standard input; a few octets.
        most: octets of each of its two outputs; of one that is longer more is returned.
        options: as ``subprocess.Popen`` takes them.

    Raises:
        OSError: it can't be run.
    """
    import os
    from selectors import EVENT_READ, DefaultSelector
    from subprocess import PIPE, CompletedProcess

    options |= {"stdin": PIPE, "stdout": PIPE, "stderr": PIPE, "bufsize": 0}
    with _started(words, options, lambda child: child.kill()) as child, DefaultSelector() as selector:
        streams = [stream for stream in (child.stdout, child.stderr) if stream]
        got = [bytearray() for _ in streams]
        if child.stdin:
            with suppress(BrokenPipeError), child.stdin:
                child.stdin.write(given)
        for stream, content in zip(streams, got, strict=True):
            selector.register(stream, EVENT_READ, content)
        while selector.get_map():
            for key, _ in selector.select():
                part = os.read(key.fd, 1 << 16)
                key.data.extend(part)
                if not part:
                    selector.unregister(key.fileobj)
                if len(key.data) > most:
                    child.kill()
        child.wait()
    return CompletedProcess(words, child.returncode, *map(bytes, got))


@contextmanager
def _started(
    words: Sequence[str], options: dict[str, Any], end: Callable[["Popen[bytes]"], None]
) -> Iterator["Popen[bytes]"]:
    from subprocess import Popen

    with ExitStack() as stack:
        with signals_held():
            child = stack.enter_context(Popen(words, **options))
            stack.push(lambda _kind, error, _trace: end(child) if error else None)
        yield child


__all__ = ["run", "run_bounded", "running", "signals_held"]
