"""Loss of power: what is on a disk at one moment, and nothing that only memory held.

The scene lies on ext4 on a loop device. A copy of the device's backing file is what the disk has: pages that
were not flushed are not in it. ext4 neither commits its journal by itself (commit=600) nor flushes for those
who rename without fsync (noauto_da_alloc). This loses all that was not flushed; it does not try orders in
which a disk may have written part of it.
"""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_SIZE = 32 << 20
_OPTIONS = "loop,commit=600,noauto_da_alloc"


class Image:
    """A file system in a file, with the content of a directory, that is mounted over it."""

    def __init__(self, start: Path, place: Path, beside: Path) -> None:
        self._start, self._place, self._file = start, place, beside
        with beside.open("wb") as file:
            file.truncate(_SIZE)
        subprocess.run(["mkfs.ext4", "-q", "-F", "-d", start, beside], check=True)
        self._first = beside.with_suffix(".first")
        self._copy(beside, self._first)

    @staticmethod
    def _copy(source: Path, target: Path) -> None:
        """Copy to a new file: the old one is written to as long as its file system is in use somewhere."""
        subprocess.run(["cp", "--sparse=always", "--remove-destination", source, target], check=True)

    @contextmanager
    def mounted(self, *, anew: bool = True) -> Iterator[None]:
        """Have it in place of the directory: as it was at first, or as the power cut left it."""
        if anew:
            self._copy(self._first, self._file)
        else:
            shutil.move(self._file.with_suffix(".cut"), self._file)
        subprocess.run(["mount", "-o", _OPTIONS, self._file, self._place], check=True)
        try:
            yield
        finally:
            subprocess.run(["umount", "--lazy", self._place], check=True)

    def cut(self) -> None:
        """Cut the power: keep what the disk has at one moment.

        A copy takes a while, and the kernel may write meanwhile; one that then is what the disk still has is
        what it had at its end.
        """
        cut = self._file.with_suffix(".cut")
        self._copy(self._file, cut)
        while subprocess.run(["cmp", "-s", self._file, cut], check=False).returncode:
            self._copy(self._file, cut)
