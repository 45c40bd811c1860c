"""The table of smtpcreds-performance(7), made of the figures that a run wrote."""

import csv
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
FIGURES = HERE / "figures.csv"
PAGE = HERE.parent.parent / "man/smtpcreds-performance.7"
BEGIN, END = '.\\" Figures of the last run\n', '.\\" End of the figures\n'


def table(figures: str) -> str:
    """Return the table as mdoc; the first line of the file tells the machine."""
    machine, *rows = csv.DictReader(figures.splitlines())
    return "".join(_lines(machine["what"], rows))


def _lines(machine: str, rows: list[dict[str, str]]) -> Iterator[str]:
    yield f"{machine[0].upper()}{machine[1:]}.\n"
    widths = ("10,000 certificates in one batch", "seconds", "memory", "keys and signatures", "ratio")
    quoted = " ".join(f'"{width}"' for width in widths)
    yield f".Bl -column {quoted}\n"
    yield ".It Sy what Ta Sy seconds Ta Sy MB Ta Sy peer Ta Sy ratio\n"
    for row in rows:
        cells = (row["what"], row["seconds"], row["megabytes"], row["peer"], row["ratio"])
        yield f".It {' Ta '.join(_safe(cell) for cell in cells)}\n"
    yield ".El\n"


def _safe(cell: str) -> str:
    """Return text that mdoc takes for text: an option is no macro, and an empty cell is kept."""
    return cell.replace("-", "\\-") if cell else '""'


def written(page: str, figures: str) -> str:
    """Return the page with these figures."""
    head, _, rest = page.partition(BEGIN)
    return f"{head}{BEGIN}{table(figures)}{END}{rest.partition(END)[2]}"
