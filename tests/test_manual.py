"""The manual page and the program say the same."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from smtpcreds import errors
from smtpcreds.cli.framework import smtpcreds
from smtpcreds.config import CaSettings, CertSettings, MtaSettings, SaslSettings, Settings

TOP = Path(__file__).parent.parent
PAGE = (TOP / "man/smtpcreds.1").read_text()
README = (TOP / "README.md").read_text()


def verbs(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from verbs(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def sections() -> dict[str, str]:
    body = PAGE.partition(".Sh COMMANDS\n")[2].partition("\n.Sh ")[0]
    parts = re.split(r"^\.Ss (.*)$", body, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented(text: str) -> set[str]:
    return {"--" + name for name in re.findall(r"^\.It (?:Fl \w , )?Fl -([a-z-]+)", text, re.MULTILINE)}


def taken(command: click.Command) -> set[str]:
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    return {
        name for option in options for name in option.opts + option.secondary_opts if name.startswith("--")
    }


VERBS = dict(verbs(smtpcreds))


@pytest.mark.parametrize("name", ["", "ca", "cert", "sasl", "mta", "tlsa", "inventory", *VERBS])
def test_help_fits_80_columns(name: str) -> None:
    command: click.Command = smtpcreds
    for word in name.split():
        assert isinstance(command, click.Group)
        command = command.get_command(click.Context(command), word) or command
    text = command.get_help(click.Context(command, info_name=f"smtpcreds {name}".strip()))
    assert [line for line in text.splitlines() if len(line) > 80] == []


def test_every_command_has_its_section_in_the_order_of_the_help() -> None:
    assert list(sections()) == list(VERBS)


@pytest.mark.parametrize("name", VERBS)
def test_every_option_is_documented_and_no_other(name: str) -> None:
    assert documented(sections()[name]) == taken(VERBS[name])
    assert f".Cm {name}" in sections()[name]


def test_global_options() -> None:
    head = PAGE.partition(".Sh DESCRIPTION")[2].partition(".Sh SECRETS")[0]
    assert documented(head) == taken(smtpcreds) | {"--help"}


@pytest.mark.parametrize("name", VERBS)
def test_the_line_in_the_list_and_the_help_exist(name: str) -> None:
    assert VERBS[name].help
    assert VERBS[name].get_short_help_str()


def test_every_exit_status_is_documented() -> None:
    listed = set(map(int, re.findall(r"^\.It (\d+)$", PAGE.partition(".Sh EXIT STATUS")[2], re.MULTILINE)))
    leaves = [
        c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, errors.SmtpcredsError)
    ]
    assert listed == {leaf.exit_status for leaf in leaves} | {0, 1, 130}


def test_every_source_is_documented() -> None:
    from smtpcreds.sources import KINDS

    secrets = PAGE.partition(".Sh SECRETS")[2].partition(".Sh COMMANDS")[0]
    assert set(re.findall(r"^\.It Cm (\w+) :", secrets, re.MULTILINE)) == set(KINDS)


def test_the_page_is_clean_mdoc() -> None:
    page = TOP / "man/smtpcreds.1"
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)


def test_readme_shows_every_setting_with_its_default() -> None:
    import tomllib

    text = README.partition("these are the defaults:\n")[2].partition("\n## ")[0]
    shown = tomllib.loads(re.sub(r"^    ", "", text, flags=re.MULTILINE))
    tables = {"ca": CaSettings(), "cert": CertSettings(), "sasl": SaslSettings(), "mta": MtaSettings()}
    top = {name: value for name, value in vars_of(Settings()).items() if name not in tables}
    defaults = top | {name: vars_of(table) for name, table in tables.items()}
    for table in filter(lambda value: isinstance(value, dict), shown.values()):
        table |= {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    assert shown == defaults


def vars_of(value: object) -> dict[str, object]:
    return {name: getattr(value, name) for name in value._fields}  # type: ignore[attr-defined]
