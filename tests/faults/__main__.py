"""Run every verb through every fault, and write what came of it: python -m tests.faults --help."""

import argparse
import json
import os
import sys
from collections import defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))

from . import table
from .faults import FAULTS

HERE = Path(__file__).parent


class Results:
    """A plugin of pytest that adds up what the tests record."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call":
            for name, told in report.user_properties:
                if name == "faults":
                    self._add(**told)  # type: ignore[arg-type]

    def _add(self, subject: str, fault: str, points: int, wrong: list[str]) -> None:
        row = self.rows[fault].setdefault(subject, {"points": 0, "wrong": {}})
        row["points"] += points
        for said in wrong:
            kind = said.partition(":")[0] if subject != "smtpcreds" else "wrong"
            row["wrong"][kind] = row["wrong"].get(kind, 0) + 1


def publish(files: list[Path]) -> int:
    """Add up files of results, keep them, and put their table into the manual page."""
    whole: dict[str, Any] = {"date": "", "faults": {}}
    for told in (json.loads(file.read_text()) for file in files):
        whole["date"] = max(whole["date"], told["date"])
        for fault, subjects in told["faults"].items():
            whole["faults"].setdefault(fault, {}).update(subjects)
    order = (*FAULTS, *(fault for fault in whole["faults"] if fault not in FAULTS))
    whole["faults"] = {fault: whole["faults"][fault] for fault in order}
    table.RESULTS.write_text(json.dumps(whole, indent=1) + "\n")
    table.put(whole)
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--verb", default="", help="this one alone, as 'cert issue'")
    parser.add_argument("--fault", default="", help="this one alone, as ENOSPC")
    parser.add_argument("--sample", type=int, default=0, help="points for each verb and fault; 0: all")
    parser.add_argument("--every", type=int, default=1, help="each how manieth pair of a case and a fault")
    parser.add_argument("--jobs", default="1", help="processes side by side")
    parser.add_argument("--only", default="", help="files of tests whose names hold this")
    parser.add_argument("--write", type=Path, help="write the results here")
    parser.add_argument("--page", nargs="+", type=Path, help="run nothing; these results go to the manual")
    asked = parser.parse_args()
    if asked.page:
        return publish(asked.page)
    options = {name: getattr(asked, name) for name in ("verb", "fault", "sample", "every")}
    os.environ["SMTPCREDS_FAULTS"] = json.dumps(options)
    results = Results()
    files = [str(path) for path in sorted(HERE.glob("test_*.py")) if asked.only in path.name]
    status = pytest.main([*files, "-q", "-n", asked.jobs, "--tb=short"], plugins=[results])
    told = {"date": f"{datetime.now(UTC):%Y-%m-%d}", "faults": results.rows}
    text = json.dumps(told, indent=1)
    if asked.write:
        asked.write.write_text(f"{text}\n")
    print(text)
    return status


if __name__ == "__main__":
    sys.exit(main())
