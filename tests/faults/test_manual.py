"""smtpcreds-reliability(7) shows what a run of ``python -m tests.faults`` recorded, and nothing else.

Debian: mandoc.
"""

import json
import re
import subprocess
from pathlib import Path

from .faults import FAULTS
from .results import added_up
from .table import PAGE, SUBJECTS, recorded, render, shown


def test_the_table_is_that_of_the_results() -> None:
    assert shown(PAGE.read_text()) == render(recorded())


def test_the_results_are_those_of_commits() -> None:
    results = recorded()
    assert set(results) == {"revisions", "faults"}
    assert all(re.fullmatch("[0-9a-f]{12}", revision) for revision in results["revisions"])


def test_the_page_says_how_it_is_made_again_and_how_many_points_went_wrong() -> None:
    page, results = PAGE.read_text(), recorded()["faults"]
    assert all(f"python -m tests.faults --{word}" in page for word in ("sample 9 --jobs 2 --into", "page"))
    wrong = {fault: row["smtpcreds"]["wrong"].get("wrong", 0) for fault, row in results.items()}
    told = {
        fault: int(number)
        for number, fault in re.findall(r"^(\d+) of the points of (.+):$", page, re.MULTILINE)
    }
    assert told == {fault: number for fault, number in wrong.items() if number}


def test_results_add_up_and_the_last_line_of_a_point_counts(tmp_path: Path) -> None:
    line = {"subject": "smtpcreds", "fault": "EIO", "run": "ca crl", "of": 9, "wrong": "", "revision": "a"}
    told = [{**line, "point": "open 1", "wrong": "lost: x"}, {**line, "point": "open 2"}]
    (tmp_path / "results").write_text(
        "".join(f"{json.dumps(one)}\n" for one in (*told, {**told[0], "wrong": ""}))
    )
    assert added_up(tmp_path / "results") == {
        "revisions": ["a"],
        "faults": {"EIO": {"smtpcreds": {"points": 2, "of": 9, "wrong": {}}}},
    }


def test_each_fault_is_in_it() -> None:
    results = recorded()["faults"]
    more = {"power loss", "eight at once", "server killed", "clock"}
    assert set(results) == set(FAULTS) | more
    assert all(set(results[fault]) == set(SUBJECTS) for fault in (*FAULTS, "power loss"))


def test_the_page_is_clean_mdoc() -> None:
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", PAGE], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)
