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
    write_all,
)
from ..files.guard import ANY_FOREIGN_ACCESS
from ..model import Artifact, Plan, Step


def plan_file(artifact: Artifact, holds: str, note: str, *, force: bool = False) -> Plan[bool]:
    """Plan a file; applying it returns whether it was written. The plan is empty where nothing would change.

    Args:
        artifact: the file.
        holds: what another content is ("other credentials"), for the message.
        note: for the line of the plan.
        force: replace another content.

    Raises:
        ExistsError: the file says something else and ``force`` is not given.
        UnsafePathError: what is there is no file of ours, or open to others though it should be private.
    """
    path = artifact.path
    parent = os.path.dirname(path)
    if is_directory(parent):
        check_parents(path)
    read = read_public if artifact.mode & ANY_FOREIGN_ACCESS else read_private
    found = check_target(path)
    if found is not None and read(path) == artifact.content:
        return Plan((), lambda: False)
    if not force:
        refuse_existing(path, holds)

    def apply() -> bool:
        if not is_directory(parent):
            ensure_directory(parent, 0o755)
        write_all([artifact])
        return True

    return Plan((Step("write", path, artifact.mode, note),), apply)


def refuse_existing(path: str, holds: str) -> None:
    """Accept a path where no file would be replaced.

    Raises:
        ExistsError: there is one.
    """
    if exists(path):
        raise ExistsError(path, f"holds {holds} and was left alone", "pass --force to replace it")
