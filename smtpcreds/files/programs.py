"""The programs that this one runs: where they are, and who could have put them there."""

import os

from .guard import check_unchanged


def which(name: str) -> str | None:
    """Return where a program is; ``shutil.which`` costs the import of three compressors.

    Args:
        name: looked for on PATH, unless there is a slash in it.
    """
    paths = [name] if "/" in name else [os.path.join(directory, name) for directory in os.get_exec_path()]
    return next((path for path in paths if os.path.isfile(path) and os.access(path, os.X_OK)), None)


def trusted_program(name: str) -> str | None:
    """Return where a program is; None where there is none.

    It is run by that path: another user could put one of that name into a directory that comes first on PATH.

    Raises:
        UnsafePathError: root would run what another user can change, or put another in the place of.
    """
    path = which(name)
    if path:
        check_code(path)
    return path


def check_code(path: str) -> None:
    """Accept a file or directory of code; any other user than root answers for what he runs."""
    if os.geteuid() == 0:
        check_unchanged(path)
