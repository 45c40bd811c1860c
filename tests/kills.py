"""System calls by which a run changes files, and a kill as it enters one of them.

strace counts each call by itself (``when=3`` is the third of that call), so a point is a call and a number.
Only the run itself is counted and killed, not the programs that it starts.
"""

import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

WRITES = "write writev pwrite64 pwritev pwritev2 sendfile copy_file_range truncate ftruncate fallocate"
FLUSHES = "fsync fdatasync msync sync_file_range"
NAMES = "rename renameat renameat2 link linkat unlink unlinkat mkdir mkdirat rmdir symlink symlinkat mknod"
STATES = (
    "chmod fchmod fchmodat chown fchown lchown fchownat utimensat "
    "setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr"
)
OPENS = "open openat creat"
CALLS = tuple(f"{WRITES} {FLUSHES} {NAMES} {STATES} {OPENS}".split())
_LINE = re.compile(r"(?P<call>\w+)\(")
_MAKES = re.compile(r"^creat\(|\bO_(?:CREAT|TRUNC|TMPFILE)\b")


@dataclass(frozen=True)
class Point:
    """The ``number``-th call of its kind; ``text`` is what strace said of it."""

    call: str
    number: int
    text: str = field(default="", compare=False)

    @property
    def inject(self) -> str:
        return f"{self.call}:signal=KILL:when={self.number}"

    def __str__(self) -> str:
        return f"{self.call} {self.number}: {self.text}"


def points(log: str) -> Iterator[Point]:
    """Yield the points of a run, in their order; a file that is opened counts if that makes or empties it."""
    seen: Counter[str] = Counter()
    for line in log.splitlines():
        if (match := _LINE.match(line)) and match["call"] in CALLS:
            seen[match["call"]] += 1
            if match["call"] not in OPENS.split() or _MAKES.search(line):
                yield Point(match["call"], seen[match["call"]], line)


def attached(process: int, log: Path, calls: tuple[str, ...], inject: str = "") -> "subprocess.Popen[bytes]":
    """Start strace on a process."""
    command = ["strace", "-qq", "-y", "-o", str(log), "-p", str(process), "-e", f"trace={','.join(calls)}"]
    return subprocess.Popen([*command, *(["-e", f"inject={inject}"] if inject else [])])
