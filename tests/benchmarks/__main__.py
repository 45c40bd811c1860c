"""All figures in one run: ``python -m tests.benchmarks [--short] [FILE]``.

Writes FILE as CSV. ``--short`` measures small numbers of everything, to see that it runs. Without FILE it
also counts the shares of the start, and puts all into smtpcreds-performance(7).
"""

import csv
import os
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from platform import python_version

from . import grows, pulls, shares, table, waits
from .measure import Figure

COLUMNS = ("what", "seconds", "processor", "megabytes", "peer", "peer seconds", "ratio", "goal")


def row(figure: Figure) -> dict[str, str]:
    """Return one line of the file."""
    return {
        "what": figure.what,
        "seconds": f"{figure.ours.wall:.3f}",
        "processor": f"{figure.ours.processor:.3f}",
        "megabytes": f"{figure.ours.memory:.0f}" if figure.ours.memory else "",
        "peer": figure.peer,
        "peer seconds": f"{figure.theirs.wall:.3f}" if figure.theirs else "",
        "ratio": f"{figure.ratio:.2f}" if figure.theirs else "",
        "goal": f"{figure.goal:g}" if figure.goal else "",
    }


def figures(place: Path, *, short: bool) -> Iterator[Figure]:
    """Measure everything."""
    yield from waits.figures(place, 30 if short else 3_000)
    yield from pulls.figures(place, 30 if short else 3_000)
    yield from grows.figures(place, *((100, 1_000, 1_000) if short else (10_000, 100_000, 300_000)))
    yield from grows.millions(place, 2_000 if short else 1_000_000)


def main(words: list[str]) -> None:
    """Measure, print and write."""
    short = "--short" in words
    named = [Path(word) for word in words if not word.startswith("-")]
    target = named[0] if named else table.RESULTS
    machine = f"{os.cpu_count()} processors, Python {python_version()}, {datetime.now(UTC):%Y-%m-%d}"
    rows = []
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        for figure in figures(Path(scratch).resolve(), short=short):
            rows.append(row(figure))
            print("  ".join(f"{name} {text}" for name, text in rows[-1].items() if text), flush=True)
    with target.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerow({"what": f"measured on {machine}"})
        writer.writerows(rows)
    if not named:
        shares.main(table.SHARES)
        table.put()


if __name__ == "__main__":
    main(sys.argv[1:])
