"""Numbers of more digits than Python reads by itself: no configuration of others ends an audit by one."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from .breaks import BREAKS, Break
from .conftest import Made
from .scene import SCENES, Host

LONG = b"9" * 5000
WAYS = (rb"(?<![0-9A-Za-z.:$/\[-])[0-9]+(?![0-9.:/])", rb"(?<=[:=, ])[0-9]+(?=[:\s])")
PLACES = ("etc/mail", "etc/postfix", "etc/exim4", "etc/dovecot", "etc/sasl2", "etc/passwd", "etc/group")
COUNTED = {"MTA029", "MTA034", "MTA041", "MTA043", "MTA045", "MTA137", "MTA211", "MTA217"}
"""Codes of what has a number in it."""
ROWS = [pytest.param(row, id=f"{row.code}-{row.do.__name__}") for row in BREAKS if row.code in COUNTED]


def texts(root: Path) -> Iterator[Path]:
    for place in PLACES:
        top = root / place
        found = sorted(top.rglob("*")) if top.is_dir() else [top]
        yield from (path for path in found if path.is_file() and not path.is_symlink())


def numbered(host: Host) -> int:
    """Write long numbers where there are numbers; return into how many files."""
    changed = 0
    for path in texts(host.root):
        old = new = path.read_bytes()
        for way in WAYS:
            new = re.sub(way, LONG, new)
        if path.suffix not in {".pem", ".db"} and old != new:
            path.write_bytes(new)
            changed += 1
    return changed


@pytest.mark.parametrize("name", SCENES)
def test_on_a_host_of_each_kind(scene: Made, name: str) -> None:
    host = scene(name)
    assert numbered(host)
    host.findings()


@pytest.mark.parametrize("row", ROWS)
def test_where_a_number_counts(scene: Made, row: Break) -> None:
    host = scene(row.scene)
    row.do(host)
    assert numbered(host)
    host.findings()


def test_there_are_rows_of_every_code_with_a_number() -> None:
    assert {row.values[0].code for row in ROWS} == COUNTED  # type: ignore[union-attr]
