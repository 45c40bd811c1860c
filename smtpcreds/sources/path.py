"""Secrets in files: ``file:PATH`` and systemd's ``credential:NAME``."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple, Self

from ..errors import DeniedError, MissingInputError, UnsafePathError, UsageError
from ..secret import Secret
from .octets import read_all
from .protocol import Context

_DIRECTORY = "CREDENTIALS_DIRECTORY"


class File(NamedTuple):
    """A regular file of root or this user that nobody else may read; a symbolic link is followed."""

    path: str

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Parse the path of ``file:PATH``.

        Raises:
            UsageError: there is none.
        """
        if not argument or "\0" in argument:
            raise UsageError("file:", "takes a path, as in file:/root/ca-passphrase")
        return cls(argument)

    def read(self, _context: Context) -> Secret:
        """Return the content without its final line feed.

        Raises:
            MissingInputError: no such file, or an empty one.
            UnsafePathError: its kind, owner or mode would show the secret to others.
            DeniedError: this user may not read it.
            DataError, WriteError: as :func:`read_all`.
        """
        with _opened(self.path) as descriptor:
            _require_private(self.path, os.fstat(descriptor))
            return read_all(descriptor, self.path)


class Credential(NamedTuple):
    """A file in the directory that systemd passes to a service (systemd.exec(5), CREDENTIALS).

    systemd guards the directory; the files' group bits may be the mask of an ACL for ``User=``, so only
    their kind is checked.
    """

    name: str

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Parse the name of ``credential:NAME``.

        Raises:
            UsageError: empty, a dot name, or one with a slash.
        """
        if argument in {"", ".", ".."} or "/" in argument or "\0" in argument:
            raise UsageError("credential:", "takes a name without slash, as in credential:ca-passphrase")
        return cls(argument)

    def read(self, _context: Context) -> Secret:
        """Return the content without its final line feed.

        Raises:
            MissingInputError: not run by systemd with credentials, no such one, or an empty one.
            UnsafePathError, DeniedError, DataError, WriteError: as :meth:`File.read`.
        """
        subject = f"credential:{self.name}"
        if not (directory := os.environ.get(_DIRECTORY)):
            hint = f"add LoadCredential={self.name}:PATH to the systemd unit"
            raise MissingInputError(subject, f"${_DIRECTORY} is not set", hint)
        path = os.path.join(directory, self.name)
        with _opened(path) as descriptor:
            _require_regular(path, os.fstat(descriptor))
            return read_all(descriptor, path)


@contextmanager
def _opened(path: str) -> Iterator[int]:
    try:
        # NONBLOCK, so that a FIFO is refused below instead of waited for.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingInputError(path, "there is no such file") from None
    except OSError as error:
        raise DeniedError(path, f"can't be opened: {error.strerror}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _require_regular(path: str, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnsafePathError(path, "is not a regular file", "use fd:N for a pipe")


def _require_private(path: str, status: os.stat_result) -> None:
    from shlex import quote

    _require_regular(path, status)
    if status.st_uid not in {0, os.geteuid()}:
        raise UnsafePathError(
            path, f"belongs to user {status.st_uid}, who could change it", f"chown root {quote(path)}"
        )
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise UnsafePathError(path, f"has mode {mode:04o}, so others may read it", f"chmod 600 {quote(path)}")
