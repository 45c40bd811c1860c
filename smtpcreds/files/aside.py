"""A directory that a new one takes the place of, and that is kept under another name."""

import os
from datetime import datetime

from .disk import exists, move, names_in, remove_directory, settle_replacement
from .lock import settled
from .write import replaced_name

_LOCK = "lock"


def aside_name(path: str, now: datetime) -> str:
    """Return the path that a directory is kept at: nothing has it; two may be moved aside in a second."""
    first = f"{path}.before-{now:%Y%m%dT%H%M%SZ}"
    names = (first, *(f"{first}-{number}" for number in range(2, 100)))
    return next((name for name in names if not exists(name)), first)


def put_back(path: str) -> None:
    """Bring a directory back that a killed run had moved aside with nothing in its place."""
    if not exists(path):
        settle_replacement(path)


def settle_aside(path: str, now: datetime) -> None:
    """Complete or give up what a killed run left under the name between; see :func:`.write.write_directory`.

    A directory that was in use has a lock and more; a new one has no lock before it is in place. The caller
    holds the lock of the directory.
    """
    between = replaced_name(path)
    if not exists(between):
        return
    lock = os.path.join(between, _LOCK)
    if not exists(lock) or names_in(between) == [_LOCK]:
        remove_directory(between)
        return
    with settled(lock):  # the run that moved it may be about to name it
        if exists(between):
            move(between, aside_name(path, now))
