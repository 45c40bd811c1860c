"""From memory to the disk, so that a power cut keeps it."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from .explain import explained


def flush_directories(directories: Iterable[str]) -> None:
    """Make renames and unlinks in the directories durable."""
    for directory in dict.fromkeys(directories):
        with _opened(directory) as handle:
            os.fsync(handle)


def flush_file_systems(directories: Iterable[str]) -> None:
    """Make everything durable that was written to the file systems of these directories.

    One syncfs(2) takes as long as a few fsync(2). It reports failed writes since Linux 5.8.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    devices: set[int] = set()
    for directory in dict.fromkeys(directories):
        with _opened(directory) as handle:
            device = os.fstat(handle).st_dev
            if device not in devices and libc.syncfs(handle):
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
            devices.add(device)


@contextmanager
def _opened(directory: str) -> Iterator[int]:
    with explained(directory):
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield handle
        finally:
            os.close(handle)
