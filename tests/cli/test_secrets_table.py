"""Every command that handles a secret, under strace: it is in files of mode 0600 and in pipes alone.

What shows or hands it out leaves a line in authpriv.
"""

from collections.abc import Iterator
from dataclasses import replace

import click
import pytest
from secrets_table import ROLE_PASSWORD, ROWS, Row, Stage, stage

from smtpcreds.cli.tree import smtpcreds as program
from smtpcreds.mta.programs import PROGRAMS


@pytest.fixture(scope="module")
def made() -> Iterator[Stage]:
    with stage() as opened:
        yield opened


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.words.partition(' -')[0]} {row.secret}")
def test_a_secret_is_in_closed_files_and_pipes_alone(made: Stage, row: Row) -> None:
    seen = made.seen(row)
    assert seen.is_well, seen.line()


ELSEWHERE = {
    ("ca crl", "--root-passphrase"): "a root offline; read as --passphrase is",
    ("ca rollover", "--root-passphrase"): "the same",
    ("ca rollover", "--pin"): "in the row of the token",
    ("probe", "--passphrase"): "opens a bundle, as setup --client does",
    ("setup", "--passphrase"): "in the row without an authority",
}
_OF_SECRETS = {"SOURCE", "PLACE"}


def leaves(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield " ".join(words), command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found
        yield from leaves(found, (*words, name))


COMMANDS = dict(leaves(program))


def test_no_command_is_forgotten() -> None:
    shown = {words for words in COMMANDS for row in ROWS if f"{row.words} ".startswith(f"{words} ")}
    assert COMMANDS.keys() - shown == set()


def test_no_command_that_asks_an_account_database_is_forgotten_where_a_server_has_it() -> None:
    asking = {
        words
        for words, command in COMMANDS.items()
        if any("--database" in option.opts for option in command.params)
    }
    shown = {words for words in asking for row in ROWS if row.way and f"{row.words} ".startswith(f"{words} ")}
    assert asking - shown == {"sasl conf"}, "whose row has a URL that is not asked"


def test_no_mail_program_is_forgotten() -> None:
    named = {row.words.split()[2] for row in ROWS if row.words.startswith(("mta render ", "mta apply "))}
    assert PROGRAMS.keys() - named == set()


def test_no_option_that_takes_or_shows_a_secret_is_forgotten() -> None:
    shown = {
        (words, part)
        for words in COMMANDS
        for row in ROWS
        if row.words.startswith(words)
        for part in row.words.split()
    }
    found = {
        (words, max(option.opts, key=len))
        for words, command in COMMANDS.items()
        for option in command.params
        if option.metavar in _OF_SECRETS or {"--reveal", "--with-key"} & {*option.opts}
    }
    assert found - shown - ELSEWHERE.keys() == set()
    assert ELSEWHERE.keys() <= found


def test_the_table_would_show_it(made: Stage) -> None:
    printed = made.seen(Row("sasl show maildroid --reveal", "account"))
    assert printed.pipes == 1, "standard output is one here"
    assert printed.is_shown
    assert not printed.is_well, "the row does not say that it shows it"
    assert replace(printed, row=replace(printed.row, shows=True)).is_well
    assert not replace(printed, row=replace(printed.row, shows=True), is_logged=False).is_well
    assert ROLE_PASSWORD in made.server.log, "as the statement that set it has it"
    typed = made.seen(Row("sasl add scanner --password 'cmd:echo {secret}'", "passphrase"))
    assert typed.argv == 1, "that of smtpcreds itself"
    assert not typed.is_well
