"""What a process has from whoever started it: standard streams and signals, made fit for every run."""

import codecs
import os
import signal
import sys

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


def settle() -> None:
    """Give the process three open streams that can hold any name, and an orderly end on every signal."""
    _open_streams()
    codecs.register_error("octets", _octets)
    sys.stdout.reconfigure(errors="octets")  # type: ignore[union-attr]
    for number in _ENDINGS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _open_streams() -> None:
    """Open what the caller closed (``>&-``), or a database could become the descriptor of error messages.

    Standard input is then at its end, standard output refuses every write, errors are lost.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # the lowest free one, which is this
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115  # as long as the process
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115


def _octets(error: UnicodeError) -> tuple[bytes, int]:
    """Write names that are not UTF-8 as the octets they are, and escape what the locale can't show.

    Python itself does the first in the C locale only.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end]
    return b"".join(map(_octet, part)), error.end


def _octet(character: str) -> bytes:
    if "\udc80" <= character <= "\udcff":
        return character.encode(errors="surrogateescape")
    return character.encode("ascii", "backslashreplace")
