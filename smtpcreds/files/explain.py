"""From errno to the error classes that carry an exit status."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import (
    DeniedError,
    ExistsError,
    MissingInputError,
    SmtpcredsError,
    UnsafePathError,
    WriteError,
)

AS_ROOT = "run it as root, or try it under another root: smtpcreds --root DIR ..."

_CLASSES: dict[int, tuple[type[SmtpcredsError], str | None]] = {
    errno.EACCES: (DeniedError, AS_ROOT),
    errno.EPERM: (DeniedError, AS_ROOT),
    errno.EROFS: (DeniedError, None),
    errno.ENOENT: (MissingInputError, None),
    errno.ENOTDIR: (UnsafePathError, None),
    errno.EISDIR: (UnsafePathError, None),
    errno.ELOOP: (UnsafePathError, None),
    errno.EEXIST: (ExistsError, None),
    errno.ENAMETOOLONG: (UnsafePathError, None),
}


def explain(error: OSError, path: str) -> SmtpcredsError:
    """Return the error of ours for a failed system call on the path; WriteError when in doubt."""
    leaf, hint = _CLASSES.get(error.errno or 0, (WriteError, None))
    reason = os.strerror(error.errno) if error.errno else str(error)
    return leaf(path, reason, hint)


@contextmanager
def explained(path: str) -> Iterator[None]:
    """Turn an OSError of the block into the error of ours that names the path."""
    try:
        yield
    except OSError as error:
        raise explain(error, path) from error
