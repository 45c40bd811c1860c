"""The same faults at system calls of saslpasswd2, easy-rsa and CA.pl, for the table.

Debian: strace, sasl2-bin, easy-rsa, perl, openssl.
"""

import shutil
from pathlib import Path

import pytest

from .conftest import ASKED, Record
from .faults import FAULTS, injection, points
from .incumbents import INCUMBENTS, Incumbent
from .power import Image

PAIRS = [(name, fault) for fault in (*FAULTS, "power loss") for name in INCUMBENTS]


@pytest.mark.parametrize(
    ("name", "fault"), [pair for pair in PAIRS if ASKED.fault in ("", pair[1])][:: ASKED.others]
)
def test_what_becomes_of_it(name: str, fault: str, tmp_path: Path, record: Record) -> None:
    place = tmp_path / "place"
    place.mkdir()
    one = INCUMBENTS[name](place)
    one.prepare()
    assert one.has("old")
    assert not one.has("new")
    start = tmp_path / "start"
    shutil.copytree(place, start, symlinks=True)
    assert one.run(str(tmp_path / "log")) == 0
    assert one.has("new")
    log = (tmp_path / "log").read_text()
    found = list(points("SIGKILL" if fault == "power loss" else fault, log, str(place)))
    assert found
    if fault == "power loss":
        record.each(name, fault, name, ["the end"], lambda _: without_power(one, start, tmp_path))
    else:
        record.each(
            name, fault, name, found, lambda point: hit(one, start, injection(fault, point), tmp_path)
        )


def hit(one: Incumbent, start: Path, inject: str, beside: Path) -> str:
    """Bring the fault about, and say what became of it: empty if the same command brings all in order."""
    shutil.rmtree(one.place)
    shutil.copytree(start, one.place, symlinks=True)
    status = one.run(str(beside / "log"), inject)
    return judged(one, status)


def judged(one: Incumbent, status: int) -> str:
    if not one.has("old"):
        return "lost"
    if status == 0 and not one.has("new"):
        return "untrue"
    again = one.run()
    if not one.has("old"):
        return "lost"
    return "" if one.has("new") else f"stuck: {again}"


def without_power(one: Incumbent, start: Path, beside: Path) -> str:
    """Cut the power when the run has said that it is done, and say what became of it."""
    image = Image(start, one.place, beside / "image")
    with image.mounted():
        status = one.run()
        image.cut()
    with image.mounted(anew=False):
        return judged(one, status)
