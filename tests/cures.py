"""The commands in a cure, each as far as its text goes: to a comma, semicolon, colon, or &&."""

import re
from collections.abc import Iterator

import click

from smtpcreds.cli.framework import smtpcreds

COMMAND = re.compile(r"smtpcreds ([^;,:&)]+)")


def commands(cure: str) -> list[list[str]]:
    """Return the words of each command of smtpcreds."""
    return [found.split() for found in COMMAND.findall(cure)]


def unknown(cure: str) -> Iterator[str]:
    """Yield what the command line does not know; capital words stand for values, which may not fit."""
    for words in commands(cure):
        try:
            _parse(smtpcreds, words)
        except click.BadParameter as error:
            if isinstance(error, click.MissingParameter):
                yield f"{' '.join(words)}: {error.format_message()}"
        except click.UsageError as error:
            yield f"{' '.join(words)}: {error.format_message()}"


def _parse(command: click.Command, words: list[str], above: click.Context | None = None) -> None:
    context = command.make_context(words[0] if words else "smtpcreds", list(words), parent=above)
    rest = [*context._protected_args, *context.args]
    if isinstance(command, click.Group):
        _, below, rest = command.resolve_command(context, rest)
        assert below is not None
        _parse(below, rest, context)
