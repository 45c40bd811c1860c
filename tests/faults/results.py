"""The results: a line of JSON for each point that was tried, and what they add up to.

A line has subject, fault, run and point, which are its key; how many points there are for that fault in
that run (of), what was wrong (empty: nothing), whether another point left the same state, of which that was
found (same), and the revision of the program.
Of lines with one key the last counts; it may say that the point is gone, as the program has changed.
"""

import json
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

from .faults import FAULTS

HERE = Path(__file__).parent
KEY = ("subject", "fault", "run", "point")
Key = tuple[str, str, str, str]


def key(told: dict[str, Any]) -> Key:
    subject, fault, run, point = (told[name] for name in KEY)
    return subject, fault, run, point


def named_key(of: Key) -> dict[str, str]:
    """Return a key as a line has it."""
    return dict(zip(KEY, of, strict=True))


def lines(file: Path) -> dict[Key, dict[str, Any]]:
    """Return the line that counts for each point; a file that is not there yet has none."""
    text = file.read_text() if file.exists() else ""
    found = {key(told): told for told in map(json.loads, text.splitlines())}
    return {of: told for of, told in found.items() if "gone" not in told}


def added_up(file: Path) -> dict[str, Any]:
    """Return the number of points, of how many, and how many went wrong by kind, by fault and subject."""
    found = lines(file).values()
    rows: dict[str, dict[str, dict[str, Any]]] = {fault: {} for fault in FAULTS}
    there: dict[tuple[str, str, str], int] = {}
    for told in found:
        row = rows.setdefault(told["fault"], {}).setdefault(
            told["subject"], {"points": 0, "of": 0, "wrong": {}}
        )
        row["points"] += 1
        if told.get("same"):
            row["same"] = row.get("same", 0) + 1
        if told["wrong"]:
            kind = "wrong" if told["subject"] == "smtpcreds" else told["wrong"].partition(":")[0]
            row["wrong"][kind] = row["wrong"].get(kind, 0) + 1
        of = told["fault"], told["subject"], told["run"]
        there[of] = max(told["of"], there.get(of, 0))
    for (fault, subject, _), number in there.items():
        rows[fault][subject]["of"] += number
    revisions = sorted({told["revision"] for told in found})
    return {"revisions": revisions, "faults": {fault: row for fault, row in rows.items() if row}}


@cache
def revision() -> str:
    """Return the commit of the program that runs; it ends with + where files differ from it."""
    told = subprocess.run(
        ["git", "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
        cwd=HERE, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return told.stdout.strip()
