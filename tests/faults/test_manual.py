"""smtpcreds-reliability(7) shows what a run of ``python -m tests.faults`` recorded, and nothing else.

Debian: mandoc.
"""

import re
import subprocess

from .faults import FAULTS
from .table import PAGE, SUBJECTS, recorded, render, shown


def test_the_table_is_that_of_the_results() -> None:
    assert shown(PAGE.read_text()) == render(recorded())


def test_the_results_are_those_of_one_run_of_a_commit_and_the_page_names_its_options() -> None:
    results = recorded()
    assert set(results) == {"date", "revision", "options", "faults"}
    assert re.fullmatch("[0-9a-f]{12}", results["revision"])
    sample, every = results["options"]["sample"], results["options"]["every"]
    assert f".Ql python -m tests.faults --sample {sample} --every {every} ,\n" in PAGE.read_text()


def test_each_fault_is_in_it() -> None:
    results = recorded()["faults"]
    more = {"power loss", "eight at once", "server killed", "clock"}
    assert set(results) == set(FAULTS) | more
    assert all(set(results[fault]) == set(SUBJECTS) for fault in (*FAULTS, "power loss"))


def test_the_page_is_clean_mdoc() -> None:
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", PAGE], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)
