"""smtpcreds-performance(7) shows what a run of the benchmarks wrote, and nothing else."""

from benchmarks.page import FIGURES, PAGE, written


def test_the_page_shows_the_figures_of_the_last_run() -> None:
    page = PAGE.read_text()
    assert written(page, FIGURES.read_text()) == page
