"""The table of smtpcreds-reliability(7), from the file of results."""

import json
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent.parent / "man/smtpcreds-reliability.7"
RESULTS = Path(__file__).parent / "results.json"
SUBJECTS = ("smtpcreds", "saslpasswd2", "easy-rsa", "CA.pl")
_BEGIN, _END = '.\\" The table: python -m tests.faults writes it.\n', '.\\" End of the table.\n'
_WIDTHS = (
    '.Bl -column "server killed" "99999 of 99999, 9999 alike: none" '
    '"999: 99 stuck" "999: 99 stuck" "999: 99 stuck"\n'
)


def render(results: dict[str, Any]) -> str:
    """Return the table in mdoc."""
    rows = [" Ta ".join(("Fault", *SUBJECTS))]
    rows += [
        " Ta ".join((fault, *(_cell(subjects.get(subject)) for subject in SUBJECTS)))
        for fault, subjects in results["faults"].items()
    ]
    return _WIDTHS + "".join(f".It {row}\n" for row in rows) + ".El\n"


def _cell(row: dict[str, Any] | None) -> str:
    if row is None:
        return "\\(en"
    wrong = ", ".join(f"{number} {kind}" for kind, number in sorted(row["wrong"].items()))
    of = f" of {row['of']}" if row["of"] > row["points"] else ""
    same = f", {row['same']} alike" if row.get("same") else ""
    return f"{row['points']}{of}{same}: {wrong or 'none'}"


def shown(page: str) -> str:
    """Return the table that the page has."""
    return page.partition(_BEGIN)[2].partition(_END)[0]


def put(results: dict[str, Any]) -> None:
    """Put the table into the page."""
    page = PAGE.read_text()
    before, _, rest = page.partition(_BEGIN)
    PAGE.write_text(before + _BEGIN + render(results) + _END + rest.partition(_END)[2])


def recorded() -> dict[str, Any]:
    results: dict[str, Any] = json.loads(RESULTS.read_text())
    return results
