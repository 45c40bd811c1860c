"""The manual pages and the program say the same: one page a noun, smtpcreds(1) for what is common."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from smtpcreds import errors
from smtpcreds.cli.tree import smtpcreds
from smtpcreds.config import TABLES, Settings, parse_settings

TOP = Path(__file__).parent.parent
PAGES = sorted((TOP / "man").iterdir())
PAGE = (TOP / "man/smtpcreds.1").read_text()
SETTINGS = (TOP / "man/smtpcreds.toml.5").read_text()
COMMON = "Takes the options of\n.Sx COMMON OPTIONS .\n"


def verbs(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from verbs(command, f"{path}{name} ")
        else:
            yield f"{path}{name}", command


def page_of(noun: str) -> str:
    return (TOP / f"man/smtpcreds-{noun}.1").read_text()


def sections() -> dict[str, str]:
    """Return the section of each verb, with the options that several of a noun have in common."""
    found = {}
    for noun in smtpcreds.list_commands(click.Context(smtpcreds)):
        page = page_of(noun)
        common = page.partition(".Sh COMMON OPTIONS\n")[2].partition("\n.Sh ")[0]
        body = page.partition(".Sh COMMANDS\n")[2].partition(".Sh ")[0]
        parts = re.split(r"^\.Ss (.*)$", body, flags=re.MULTILINE)
        for name, text in zip(parts[1::2], parts[2::2], strict=True):
            found[name] = text.replace(COMMON, f"{COMMON}\n{common}\n")
    return found


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


def test_every_variable_of_the_environment_that_is_read_by_name_is_documented() -> None:
    names = re.compile(r"""environ(?:\.get\(|\[)["'](\w+)""")
    read = {name for path in TOP.glob("smtpcreds/**/*.py") for name in names.findall(path.read_text())}
    section = (TOP / "man/smtpcreds.1").read_text().partition(".Sh ENVIRONMENT\n")[2].partition(".Sh ")[0]
    assert "SUDO_USER" in read
    assert read <= set(re.findall(r"[A-Z]\w+", section))


def test_every_source_is_documented() -> None:
    from smtpcreds.sources import KINDS

    secrets = PAGE.partition(".Sh SECRETS")[2].partition(".Sh COMMANDS")[0]
    assert set(re.findall(r"^\.It Cm (\w+) :", secrets, re.MULTILINE)) == set(KINDS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_clean_mdoc_and_is_installed(page: Path) -> None:
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", page], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)
    section = page.suffix[1:]
    files = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert files["shared-data"][f"man/{page.name}"] == f"share/man/man{section}/{page.name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_of_ours_that_another_refers_to_exists(page: Path) -> None:
    for name, section in re.findall(r"Xr (smtpcreds\S*) (\d)", page.read_text()):
        assert (TOP / f"man/{name}.{section}").exists(), name


def test_smtpcreds_1_leads_to_each_noun() -> None:
    listed = re.findall(r"^\.It Xr smtpcreds-(\w+) 1$", PAGE, re.MULTILINE)
    assert listed == smtpcreds.list_commands(click.Context(smtpcreds))


def test_no_option_of_mta_stands_twice() -> None:
    page = page_of("mta")
    common = documented(page.partition(".Sh COMMON OPTIONS\n")[2].partition("\n.Sh ")[0])
    assert len(common) > 15
    assert not common & documented(page.partition(".Sh COMMANDS\n")[2])


def literal(section: str) -> dict[str, Any]:
    """Return what the example in a section of smtpcreds.toml(5) comes to; the program takes it, too."""
    text = SETTINGS.partition(f".Sh {section}\n")[2].partition(".Bd -literal\n")[2].partition(".Ed\n")[0]
    parse_settings(text.replace("\\e", "\\"), "smtpcreds.toml")
    return tomllib.loads(text.replace("\\e", "\\"))


def test_the_page_shows_every_setting_with_its_default() -> None:
    shown = literal("KEYS")
    tables = {name: table() for name, table in TABLES.items()}
    top = {name: value for name, value in vars_of(Settings()).items() if name not in tables}
    defaults = top | {name: vars_of(table) for name, table in tables.items()}
    for table in filter(lambda value: isinstance(value, dict), shown.values()):
        table |= {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    assert shown == defaults


def test_the_example_of_the_configuration_is_one() -> None:
    assert literal("EXAMPLES")["sasl"]["copies"]


def vars_of(value: object) -> dict[str, object]:
    return {name: getattr(value, name) for name in value._fields}  # type: ignore[attr-defined]
