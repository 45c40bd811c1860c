"""smtpcreds-performance(7) shows what a run of ``python -m tests.benchmarks`` measured, and nothing else.

Debian: mandoc.
"""

import subprocess

from .table import PAGE, RESULTS, SHARES, figures, recorded, shares, shown


def test_the_tables_are_those_of_the_results() -> None:
    assert shown("figures") == figures()
    assert shown("shares") == shares()


def test_the_figures_are_those_of_a_whole_run() -> None:
    machine, rows = recorded(RESULTS)
    assert "processors, Python 3." in machine
    measured = {row["what"] for row in rows}
    assert {"--version", "cert issue", "sasl list of 100,000", "audit, 3,000 hosts"} <= measured


def test_the_shares_are_of_one_whole_command() -> None:
    *parts, whole = (int(row["millions"]) for row in recorded(SHARES)[1])
    assert sum(parts) == whole


def test_the_page_is_clean_mdoc() -> None:
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", PAGE], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)
