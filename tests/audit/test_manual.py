"""smtpcreds-audit(7) and the codes say the same; what ends a finding in general stands on the page alone."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from cures import unknown

from smtpcreds.audit.run import CODES

TOP = Path(__file__).parent.parent.parent
PAGE = TOP / "man/smtpcreds-audit.7"


def entries() -> dict[str, tuple[str, str, str]]:
    """Return severity, meaning and remedy of each code, as the page has them."""
    body = PAGE.read_text().partition(".Sh CODES\n")[2].partition("\n.Sh ")[0]
    parts = re.split(r"^\.It Sy (\w+) , No (\w+)\n", body, flags=re.MULTILINE)
    texts = (re.split(r"^\.(?:El|Ss)", text, flags=re.MULTILINE)[0] for text in parts[3::3])
    said = [plain(text).partition(" .br Remedy: ") for text in texts]
    rows = ((severity, title, remedy) for severity, (title, _, remedy) in zip(parts[2::3], said, strict=True))
    return dict(zip(parts[1::3], rows, strict=True))


def plain(text: str) -> str:
    return " ".join(text.replace(r"\&", "").replace(r"\e", "\\").split())


def test_every_code_stands_on_the_page_in_the_order_of_the_table() -> None:
    assert list(entries()) == list(CODES)


@pytest.mark.parametrize("name", CODES)
def test_severity_and_meaning_are_those_of_the_code_and_a_remedy_follows(name: str) -> None:
    code = CODES[name]
    severity, title, remedy = entries()[name]
    assert severity == code.severity
    assert title == f"{code.title[0].upper()}{code.title[1:]}."
    assert remedy.endswith(".")
    assert remedy != "."


@pytest.mark.parametrize("name", CODES)
def test_a_remedy_names_commands_that_exist(name: str) -> None:
    assert list(unknown(entries()[name][2].removesuffix("."))) == []


def test_the_page_is_clean_mdoc() -> None:
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", PAGE], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)


def test_every_manual_page_is_installed() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    installed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert {f"man/{page.name}" for page in PAGE.parent.iterdir()} <= set(installed)
