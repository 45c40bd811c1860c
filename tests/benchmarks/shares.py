"""Where the start goes: ``python -m tests.benchmarks.shares FILE`` counts instructions of ``cert issue``.

Instructions, by ``valgrind --tool=cachegrind``, do not depend on what else the machine does.
"""

import csv
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from platform import python_version

from .measure import PROGRAM, environment
from .waits import authority

_COUNT = ("valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null")
_IMPORTED = re.compile(r"^import time:.*\|\s*(smtpcreds\S*)$", re.MULTILINE)


_ALIKE = "import os; from smtpcreds import put_off; put_off.begin(); import {}; os._exit(0)"
"""As the program does it: what it puts off is not counted, and nothing is taken apart in the end."""


def millions(*command: str) -> int:
    """Return the instructions of a command, in millions."""
    done = subprocess.run((*_COUNT, *command), capture_output=True, text=True, env=environment(), check=True)
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    assert found, done.stderr
    return round(int(found[1].replace(",", "")) / 1_000_000)


def loaded(root: Path) -> list[str]:
    """Return the modules of the program that the command loads."""
    start = (sys.executable, "-X", "importtime", *PROGRAM[1:])
    words = (*start, "--root", str(root), "cert", "issue", "loaded")
    done = subprocess.run(words, capture_output=True, text=True, env=environment(), check=True)
    return [name for name in _IMPORTED.findall(done.stderr) if name != "smtpcreds.__main__"]


def shares(place: Path) -> Iterator[tuple[str, int]]:
    """Yield each part, and the millions of instructions that it adds."""
    root = authority(place / "root")
    ours = loaded(root)
    steps = {
        "Python itself": "pass",
        "cryptography.x509": _ALIKE.format("cryptography.x509"),
        "sqlite3 and tomllib": _ALIKE.format("cryptography.x509, sqlite3, tomllib"),
        "modules of smtpcreds": _ALIKE.format(f"cryptography.x509, sqlite3, tomllib, {', '.join(ours)}"),
    }
    before = 0
    for part, code in steps.items():
        count = millions(sys.executable, "-c", code)
        yield part, count - before
        before = count
    yield "the work", millions(*PROGRAM, "--root", str(root), "cert", "issue", "counted") - before


def main(target: Path) -> None:
    """Count, print and write."""
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        rows = list(shares(Path(scratch).resolve()))
    rows.append(("all", sum(count for _, count in rows)))
    with target.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("part", "millions", "what"))
        writer.writerow(("", "", f"counted with Python {python_version()} on {os.uname().machine}"))
        writer.writerows((part, count, "") for part, count in rows)
    print(*(f"{part}: {count}" for part, count in rows), sep="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
