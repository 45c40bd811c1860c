"""With --json, standard error is one object a line; every document names its schema."""

import json

import click
import pytest
from admin import HUB, Admin

from smtpcreds.cli.framework import DANGEROUS
from smtpcreds.cli.tree import smtpcreds


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ("cert issue", {"kind": "usage", "status": 64, "what": "cert issue"}),
        ("cert show nothing", {"kind": "missing-input", "status": 66, "what": "nothing"}),
        ("sasl show nobody", {"kind": "no-such-account", "status": 67, "what": f"nobody@{HUB}"}),
        ("cert issue dmzmail", {"kind": "exists", "status": 73, "what": HUB}),
    ],
)
def test_an_error_is_an_object(hub: Admin, words: str, error: dict[str, object]) -> None:
    ran = hub.run("--json", *words.split())
    (line,) = ran.err.splitlines()
    said = json.loads(line)
    assert said["schema"] == 1
    assert error.items() <= said["error"].items()
    assert said["error"]["why"]
    assert said["error"]["hint"].startswith("smtpcreds ")
    assert (ran.status, ran.out) == (error["status"], "")


def test_a_warning_is_one_too_and_part_of_the_answer(hub: Admin) -> None:
    hub("cert", "issue", "attic")
    ran = hub("--json", "cert", "revoke", "attic")
    told = [json.loads(line) for line in ran.err.splitlines()]
    assert [row["warning"] for row in told] == ran.data["warnings"] != []


def test_an_unknown_option_leads_to_no_dangerous_one(hub: Admin) -> None:
    assert "did you mean" not in hub.refuses(64, "cert", "issue", "attic", "--nope")
    assert "did you mean" not in hub.refuses(64, "cert", "issue", "attic", "--forse")
    assert "did you mean --days?" in hub.refuses(64, "cert", "issue", "attic", "--day", "3")


def test_the_dangerous_options_exist() -> None:
    def options(command: click.Command) -> set[str]:
        if not isinstance(command, click.Group):
            return {name for parameter in command.params for name in parameter.opts}
        below = (command.get_command(context, name) for name in command.list_commands(context))
        return set().union(*(options(found) for found in below if found))

    context = click.Context(smtpcreds)
    assert options(smtpcreds) >= DANGEROUS
