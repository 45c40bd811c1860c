"""A single file that a person wants written somewhere."""

import os

from ..errors import ExistsError, MissingInputError
from ..files import check_target, is_directory


def verify_target(path: str | None, *, force: bool) -> None:
    """Accept the path of a file to be written; None, which is standard output, always.

    Raises:
        ExistsError: there is one, and ``force`` is not given.
        MissingInputError: there is no such directory.
        UnsafePathError: a link or someone else's file stands there.
    """
    if path is None:
        return
    if not is_directory(os.path.dirname(path)):
        raise MissingInputError(os.path.dirname(path), "is no directory")
    if check_target(path) and not force:
        raise ExistsError(path, "is there and was left alone", "--force to replace it")
