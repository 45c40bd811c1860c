"""Every command that handles a secret, under strace: it is in files of mode 0600 and in pipes alone."""

from collections.abc import Iterator

import pytest
from secrets_table import ROWS, Row, Stage, stage


@pytest.fixture(scope="module")
def made() -> Iterator[Stage]:
    with stage() as opened:
        yield opened


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.words.partition(' -')[0]} {row.secret}")
def test_a_secret_is_in_closed_files_and_pipes_alone(made: Stage, row: Row) -> None:
    seen = made.seen(row)
    assert seen.is_well, seen.line()


def test_the_table_would_show_it(made: Stage) -> None:
    printed = made.seen(Row("sasl show maildroid --reveal", "account"))
    assert printed.pipes == 1, "standard output is one here"
    typed = made.seen(Row("sasl add scanner --password 'cmd:echo {secret}'", "passphrase"))
    assert typed.argv == 1, "that of smtpcreds itself"
    assert not typed.is_well
