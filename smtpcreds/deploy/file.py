"""One file for a mail program: written unless it is there with this very content."""

import os

from ..errors import ExistsError
from ..files import (
    check_parents,
    check_target,
    ensure_directory,
    exists,
    is_directory,
    read_private,
    read_public,
    sweep_target,
    write_all,
)
from ..files.guard import ANY_FOREIGN_ACCESS
from ..model import Artifact


def write_file(artifact: Artifact, holds: str, *, force: bool = False) -> bool:
    """Write a file and return True; where it is there with this very content, do nothing.

    Args:
        artifact: the file.
        holds: what another content is ("other credentials"), for the message.
        force: replace another content.

    Raises:
        ExistsError: the file says something else and ``force`` is not given.
        UnsafePathError: what is there is no file of ours, or open to others though it should be private.
    """
    path = artifact.path
    parent = os.path.dirname(path)
    if is_directory(parent):
        check_parents(path)
        sweep_target(path)
    read = read_public if artifact.mode & ANY_FOREIGN_ACCESS else read_private
    if check_target(path) is not None and read(path) == artifact.content:
        return False
    if not force:
        refuse_existing(path, holds)
    if not is_directory(parent):
        ensure_directory(parent, 0o755)
    write_all([artifact])
    return True


def refuse_existing(path: str, holds: str) -> None:
    """Accept a path where no file would be replaced.

    Raises:
        ExistsError: there is one.
    """
    if exists(path):
        raise ExistsError(path, f"holds {holds} and was left alone", "pass --force to replace it")
