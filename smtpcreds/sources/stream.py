"""Secrets from descriptors that the caller has opened: ``stdin:`` and ``fd:N``."""

import os
from typing import NamedTuple, Self

from ..errors import DeniedError, MissingInputError, UsageError
from ..secret import Secret
from .octets import read_all
from .protocol import Context

MAX_DESCRIPTOR = 65535


class Descriptor(NamedTuple):
    """Everything up to the end of an open descriptor.

    It gives one secret: at a second reading it is at its end, which is refused as empty. A terminal is
    refused, because it would echo.
    """

    number: int
    subject: str

    @classmethod
    def stdin(cls, argument: str) -> Self:
        """Parse ``stdin:``, which takes no argument.

        Raises:
            UsageError: it has one.
        """
        if argument:
            raise UsageError("stdin:", "takes nothing behind the colon")
        return cls(0, "stdin:")

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Parse the number of ``fd:N``.

        Raises:
            UsageError: not a number, or beyond what a process can have open.
        """
        if not (argument.isascii() and argument.isdigit()) or int(argument[:6]) > MAX_DESCRIPTOR:
            raise UsageError("fd:", "takes the number of an open descriptor, as in fd:3")
        return cls(int(argument), f"fd:{int(argument)}")

    def read(self, _context: Context) -> Secret:
        """Return the rest of the stream.

        Raises:
            MissingInputError: not open, or at its end (one stream holds one secret).
            DeniedError: it is a terminal.
            DataError, WriteError: as :func:`read_all`.
        """
        try:
            os.fstat(self.number)
        except OSError:
            raise MissingInputError(self.subject, "is not open") from None
        if os.isatty(self.number):
            raise DeniedError(self.subject, "is a terminal, which would show the secret", "use prompt:")
        try:
            return read_all(self.number, self.subject)
        except MissingInputError as error:
            hint = "one stream holds one secret; use file: or another fd: for a second one"
            raise MissingInputError(error.subject, error.reason, hint) from None
