"""Secrets that another program prints: ``cmd:COMMAND``."""

from typing import TYPE_CHECKING, NamedTuple, Self

from ..errors import UnavailableError, UsageError
from ..secret import Secret
from .octets import one_secret
from .protocol import MAX_SECRET, Context

if TYPE_CHECKING:
    from subprocess import Popen


class Command(NamedTuple):
    """Standard output of a program, run without a shell.

    Its standard error is ours, its input is empty (a program that asks opens the terminal), and there is no
    time limit, since it may wait for a person.
    """

    words: tuple[str, ...]

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Split the command as a POSIX shell would, without expanding anything.

        Raises:
            UsageError: no command, or an open quote.
        """
        import shlex

        try:
            words = tuple(shlex.split(argument))
        except ValueError as error:
            raise UsageError("cmd:", f"can't be split into words: {error}") from None
        if not words or not words[0] or "\0" in argument:
            raise UsageError("cmd:", "takes a command, as in cmd:'pass show mail/ca'")
        return cls(words)

    @property
    def subject(self) -> str:
        """The program alone: its arguments may be confidential."""
        return f"cmd:{self.words[0]}"

    def read(self, _context: Context) -> Secret:
        """Return what the program prints, without its final line feed.

        Raises:
            UnavailableError: it can't be run, or fails.
            MissingInputError, DataError: as :func:`one_secret`.
        """
        from subprocess import DEVNULL, PIPE, Popen

        try:
            child = Popen(self.words, stdin=DEVNULL, stdout=PIPE)
        except OSError as error:
            raise UnavailableError(self.subject, f"can't be run: {error.strerror}") from None
        with child:
            value = _output(child)
        if child.returncode and len(value) <= MAX_SECRET:
            raise UnavailableError(self.subject, _fate(child.returncode))
        return one_secret(value, self.subject)


def _output(child: "Popen[bytes]") -> bytes:
    """All output, or a little more than a secret may have."""
    value = child.stdout.read(MAX_SECRET + 1) if child.stdout else b""
    if len(value) > MAX_SECRET:
        child.kill()
    return value


def _fate(status: int) -> str:
    return f"failed with exit status {status}" if status > 0 else f"was killed by signal {-status}"
