"""A status that others read: a file of mode 0644 that is whole at every moment."""

import os

from ..errors import ExistsError, MissingInputError, UsageError
from ..files import check_target, read_public, sweep_target, write_all
from ..model import Artifact

MODE = 0o644


def write_page(path: str, lines: list[str], end: str, *, force: bool = False) -> bool:
    """Write a file, or replace the one that an earlier run wrote.

    Args:
        path: absolute.
        lines: its content; the first one is always the same, and tells our files from others.
        end: how its name must end; collectors read no other files.
        force: replace a file that is not ours.

    Raises:
        UsageError: another name.
        MissingInputError: there is no such directory.
        ExistsError: something else is there.
        UnsafePathError: a link or someone else's file.
    """
    if not path.endswith(end):
        raise UsageError(path, f"does not end in {end}, so the collector would not read it")
    if not os.path.isdir(os.path.dirname(path)):
        raise MissingInputError(os.path.dirname(path), "is no directory")
    _refuse_others(path, lines[0], force=force)
    content = "".join(f"{line}\n" for line in lines).encode(errors="backslashreplace")
    sweep_target(path)
    write_all([Artifact(path, content, MODE)])
    return True


def _refuse_others(path: str, mark: str, *, force: bool) -> None:
    if check_target(path) and not force and not read_public(path).startswith(mark.encode()):
        raise ExistsError(path, "was not written by this command and was left alone", "--force to replace it")
