"""What another hands over is read in a time that grows with its length, and not with its square or worse."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from smtpcreds.errors import SmtpcredsError

from .parsers import PARSERS

PATIENCE = 10.0
"""Seconds of the processor; each takes less than one."""
_ENTRY = b"dn: uid=joe\nuid: joe\nuserPassword: S3cret.of.joe\n"
LONG = {
    "beginnings of blocks": ("PEM", b"-----BEGIN CERTIFICATE-----\n" * 40_000),
    "beginnings, each of another block": (
        "PEM",
        b"".join(b"-----BEGIN X%d-----\n" % number for number in range(40_000)),
    ),
    "options of an attribute": ("accounts as ldif", _ENTRY + b"a" + b";" * 200 + b"!\n"),
    "a line that is continued": ("accounts as ldif", _ENTRY + b" x\n" * 1_000_000),
    "a name of brackets": ("accounts as colon", b"(" * 200_000 + b":S3cret.of.joe\n"),
    "an address of dots": ("accounts as colon", b"joe:a@" + b"." * 200_000 + b" x\n"),
    "stanzas of a header": (
        "age",
        b"age-encryption.org/v1\n" + (b"-> scrypt " + b"A" * 22 + b" 10\n" + b"A" * 43 + b"\n") * 10_000,
    ),
    "entries that claim what follows": ("keytab", b"\5\2" + b"\0\0\0\2\xff\xff" * 10_000 + bytes(1 << 18)),
}


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Fail where the block takes more of the processor, however busy that is."""

    def give_up(*_: object) -> None:
        raise AssertionError(f"took over {seconds} seconds of the processor")

    before = signal.signal(signal.SIGVTALRM, give_up)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@pytest.mark.parametrize("what", LONG)
def test_a_long_file_is_read_in_time(what: str) -> None:
    name, content = LONG[what]
    with within(PATIENCE), suppress(SmtpcredsError):
        PARSERS[name].parse(content)
