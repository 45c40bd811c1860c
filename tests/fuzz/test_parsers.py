"""A parser ends in a value or in an error of ours, soon and in little memory, whatever it reads.

The ordinary run takes few files for each parser, always the same. SMTPCREDS_FUZZ=MINUTES takes as many as
fit in that time for each parser; what it tells of a failure makes it again.
"""

import os
import resource
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpcreds.errors import SmtpcredsError

from .parsers import PARSERS

pytestmark = pytest.mark.filterwarnings("ignore")
"""What libraries warn of, no user sees (tests/cli/test_libraries.py)."""
LONG = 60 * float(os.environ.get("SMTPCREDS_FUZZ", "0"))
FEW = 60
SPACE = 2 << 30
"""Octets of address space that a parser's process may come to; none needs a tenth more than it had."""


@pytest.fixture(autouse=True)
def _limits() -> Iterator[None]:
    """No hang, and no memory without bound."""
    was = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (SPACE, was[1]))
    signal.alarm(int(LONG) + 100)
    yield
    signal.alarm(0)
    resource.setrlimit(resource.RLIMIT_AS, was)


def reads(name: str, dice: Random) -> None:
    parser = PARSERS[name]
    data = parser.alter(dice.choice(parser.sound()), dice)
    with suppress(SmtpcredsError):
        parser.parse(data)


@pytest.mark.parametrize("name", PARSERS)
def test_sound_files_are_read(name: str) -> None:
    if name != "accounts":
        assert [PARSERS[name].parse(data) for data in PARSERS[name].sound()]


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=FEW, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_altered_files_are_read_or_refused(name: str, seed: int) -> None:
    reads(name, Random(seed))


if LONG:

    @pytest.mark.parametrize("name", PARSERS)
    def test_for_long(name: str) -> None:
        seed, end = 0, time.monotonic() + LONG
        while time.monotonic() < end:
            seed += 1
            try:
                reads(name, Random(seed))
            except Exception as error:
                raise AssertionError(f"{name}: Random({seed})") from error
