"""smtpcreds-reliability(7) shows what a run of ``python -m tests.faults`` recorded, and nothing else.

Debian: mandoc.
"""

import subprocess

from .faults import FAULTS
from .table import PAGE, SUBJECTS, recorded, render, shown


def test_the_table_is_that_of_the_results() -> None:
    assert shown(PAGE.read_text()) == render(recorded())


def test_each_fault_is_in_it() -> None:
    results = recorded()["faults"]
    more = {"power loss", "eight at once", "server killed", "clock"}
    assert set(results) == set(FAULTS) | more
    assert all(set(results[fault]) == set(SUBJECTS) for fault in (*FAULTS, "power loss"))


def test_the_page_is_clean_mdoc() -> None:
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", PAGE], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)
