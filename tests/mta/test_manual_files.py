"""smtpcreds-files(7) and the table of mail programs say the same."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from smtpcreds.mta.program import Program, Work
from smtpcreds.mta.programs import PROGRAMS

from .facts import FACTS

PAGE = Path(__file__).parent.parent.parent / "man/smtpcreds-files.7"
EXPRESS = "It can't express"


def sections() -> dict[str, str]:
    body = PAGE.read_text().partition(".Sh PROGRAMS\n")[2].partition("\n.Sh ")[0]
    parts = re.split(r"^\.Ss (.*)$", body, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def plain(text: str) -> str:
    return text.replace(r"\(dq", '"')


def everything(program: Program) -> tuple[dict[str, str], list[Work]]:
    """Return each file that the program may have, with mode and owner; and for each variant what is to do."""
    choices = [frozenset[str](), *(frozenset({name}) for name in sorted(program.VARIANTS))]
    asked = [replace(FACTS, variants=chosen) for chosen in choices]
    work = [program.work(facts) for facts in asked]
    written = [*(f for facts in asked for f in program.render(facts)), *(c for w in work for c in w.copies)]
    return {f.path: f"{f.mode:04o} {f.user}:{f.group}" for f in written}, work


def test_every_program_has_its_section_in_the_order_of_the_table() -> None:
    assert list(sections()) == list(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_file_is_documented_with_mode_and_owner_and_no_other(name: str) -> None:
    found = re.findall(r"^\.It Pa (\S+) , No (\d{4} \S+)$", sections()[name], re.MULTILINE)
    assert dict(found) == everything(PROGRAMS[name])[0]


@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_left_to_do_is_documented_to_the_letter(name: str) -> None:
    shown = plain(sections()[name]) + "\n"
    for work in everything(PROGRAMS[name])[1]:
        for command in (*work.commands, *work.usage):
            assert f".Dl {command}\n" in shown
        for include in work.includes:
            assert f".Pa {include.path}" in shown
            assert include.where in shown
            assert include.fence or all(f".Dl {line}\n" in shown for line in include.lines)


@pytest.mark.parametrize("name", PROGRAMS)
def test_limits_are_documented(name: str) -> None:
    assert EXPRESS in sections()[name]


def test_the_page_is_clean_mdoc() -> None:
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", PAGE], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)
