"""Secrets in environment variables: ``env:NAME``."""

import os
import re
from typing import NamedTuple, Self

from ..errors import MissingInputError, UsageError
from ..secret import Secret
from .octets import one_secret
from .protocol import Context

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Environment(NamedTuple):
    """The value of a variable, taken out of the environment when it is named.

    Taking it at the door means that no child process gets it, in whatever order sources are read. It stays
    visible in ``/proc/PID/environ`` to root and this user, as the kernel keeps what exec(2) was given.
    """

    name: str
    value: Secret | None

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Parse the name of ``env:NAME``, and remove the variable from ``os.environ``.

        Raises:
            UsageError: no name of a variable.
        """
        if not _NAME.fullmatch(argument):
            raise UsageError("env:", "takes the name of an environment variable, as in env:CA_PASSPHRASE")
        value = os.environb.pop(argument.encode(), None)
        return cls(argument, None if value is None else Secret(value))

    def read(self, _context: Context) -> Secret:
        """Return the value.

        Raises:
            MissingInputError: not set, empty, or named by another source before.
            DataError: as :func:`one_secret`.
        """
        subject = f"env:{self.name}"
        if self.value is None:
            hint = f"export {self.name}, and name it once; it is removed when it is first named"
            raise MissingInputError(subject, "is not set", hint)
        return one_secret(self.value.reveal(), subject)
