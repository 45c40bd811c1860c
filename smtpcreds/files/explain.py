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
_EVEN_ROOT = "root is refused too: does 'lsattr -d' of it or its directory show i or a, or is it a mount?"
_BOUND = "a bind mount of the single file can't be replaced; mount its directory instead"

_CLASSES: dict[int, tuple[type[SmtpcredsError], str | None]] = {
    errno.EACCES: (DeniedError, AS_ROOT),
    errno.EPERM: (DeniedError, AS_ROOT),
    errno.EROFS: (DeniedError, None),
    errno.ENOENT: (MissingInputError, None),
    errno.ENOTDIR: (UnsafePathError, None),
    errno.EISDIR: (UnsafePathError, None),
    errno.ELOOP: (UnsafePathError, None),
    errno.ENAMETOOLONG: (UnsafePathError, None),
    errno.EEXIST: (ExistsError, None),
    errno.ENOSPC: (WriteError, "make room and run it again"),
    errno.EBUSY: (WriteError, _BOUND),
}


def explain(error: OSError, path: str, outcome: str = "") -> SmtpcredsError:
    """Return the error of ours for a failed system call on the path; WriteError when in doubt."""
    leaf, hint = _CLASSES.get(error.errno or 0, (WriteError, None))
    if hint is AS_ROOT and os.geteuid() == 0:
        hint = _EVEN_ROOT
    reason = os.strerror(error.errno) if error.errno else str(error)
    return leaf(path, reason + outcome, hint)


@contextmanager
def explained(path: str, outcome: str = "") -> Iterator[None]:
    """Turn an OSError of the block into the error of ours that names the path.

    Args:
        path: what the block works on.
        outcome: what the user should know about the state of things, with its leading punctuation.
    """
    try:
        yield
    except OSError as error:
        raise explain(error, path, outcome) from error
