"""The tables of smtpcreds-performance(7), from the files of results."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

PAGE = Path(__file__).parent.parent.parent / "man/smtpcreds-performance.7"
RESULTS = Path(__file__).parent / "results.csv"
SHARES = Path(__file__).parent / "shares.csv"
_BEGIN, _END = '.\\" Table {name}: python -m tests.benchmarks writes it.\n', '.\\" End of table {name}.\n'


def recorded(path: Path) -> tuple[str, list[dict[str, str]]]:
    """Return what was measured on, and the rows."""
    with path.open(newline="") as file:
        first, *rows = csv.DictReader(file)
    return first["what"], rows


def figures() -> str:
    """Return the figures beside their peers in mdoc."""
    if not RESULTS.exists():
        return "No run on a quiet machine is recorded yet.\n"
    machine, rows = recorded(RESULTS)
    widths = '"10,000 certificates in one batch" "9999 ms" "999 MB" "keys and signatures alone" "99.9" "9.9"'
    return _table(machine, widths, ("What", "Time", "Memory", "Peer", "Ratio", "Goal"), map(_cells, rows))


def _cells(row: dict[str, str]) -> Iterator[str]:
    yield row["what"]
    yield _span(float(row["seconds"]))
    yield f"{row['megabytes']} MB" if row["megabytes"] else "\\(en"
    yield f"{row['peer']} {_span(float(row['peer seconds']))}" if row["peer"] else "\\(en"
    yield row["ratio"] or "\\(en"
    yield row["goal"] or "\\(en"


def _span(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def shares() -> str:
    """Return in mdoc what parts of a command cost."""
    machine, rows = recorded(SHARES)
    cells = ((row["part"], f"{row['millions']}") for row in rows)
    return _table(machine, '"modules of smtpcreds, loaded" "999"', ("Part", "Millions"), cells)


def _table(machine: str, widths: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [f".It {' Ta '.join(cells)}\n" for cells in (head, *rows)]
    return f"{machine[0].upper()}{machine[1:]}.\n.Bl -column {widths}\n{''.join(lines)}.El\n"


def shown(name: str) -> str:
    """Return a table that the page has."""
    return PAGE.read_text().partition(_BEGIN.format(name=name))[2].partition(_END.format(name=name))[0]


def put() -> None:
    """Put the tables into the page."""
    page = PAGE.read_text()
    for name, table in (("figures", figures()), ("shares", shares())):
        begin, end = _BEGIN.format(name=name), _END.format(name=name)
        before, _, rest = page.partition(begin)
        page = before + begin + table + end + rest.partition(end)[2]
    PAGE.write_text(page)
