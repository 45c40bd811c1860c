"""smtpcreds-audit(7) and the table of codes say the same."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from smtpcreds.audit.codes import CODES

TOP = Path(__file__).parent.parent.parent
PAGE = TOP / "man/smtpcreds-audit.7"


def entries() -> dict[str, tuple[str, str]]:
    """Return severity and text of each code, as the page has them."""
    body = PAGE.read_text().partition(".Sh CODES\n")[2].partition("\n.Sh ")[0]
    parts = re.split(r"^\.It Sy (\w+) , No (\w+)\n", body, flags=re.MULTILINE)
    texts = (re.split(r"^\.(?:El|Ss)", text, flags=re.MULTILINE)[0] for text in parts[3::3])
    return dict(zip(parts[1::3], zip(parts[2::3], map(plain, texts), strict=True), strict=True))


def plain(text: str) -> str:
    return " ".join(text.replace(r"\&", "").replace(r"\e", "\\").split())


def test_every_code_stands_on_the_page_in_the_order_of_the_table() -> None:
    assert list(entries()) == list(CODES)


@pytest.mark.parametrize("name", CODES)
def test_severity_meaning_and_remedy_are_those_of_the_table(name: str) -> None:
    code = CODES[name]
    severity, text = entries()[name]
    assert severity == code.severity
    assert text == f"{code.title[0].upper()}{code.title[1:]}. .br Remedy: {code.remedy}."


def test_the_page_is_clean_mdoc() -> None:
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", PAGE], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)


def test_every_manual_page_is_installed() -> None:
    project = tomllib.loads((TOP / "pyproject.toml").read_text())
    installed = project["tool"]["hatch"]["build"]["targets"]["wheel"]["shared-data"]
    assert {f"man/{page.name}" for page in PAGE.parent.iterdir()} <= set(installed)
