"""What Sendmail itself has read of the same altered sendmail.cf: a class, a macro, which files it refuses.

Debian: sendmail-bin, in a host of the laboratory.
"""

import subprocess
from collections.abc import Iterator
from random import Random

import pytest
from lab import SENDMAIL, Host, Lab

from smtpcreds.mta import sendmail_cf

from . import alter

FEW = 25
ASKED = "$={TrustAuthMech}\n${Tried}\n"
SOUND = b"""V10/Berkeley
O QueueDirectory=/var/spool/mqueue
C{TrustAuthMech}PLAIN LOGIN
D{Tried}example
C{TrustAuthMech}DIGEST-MD5
# x
Mprog, P=/bin/sh, F=lsoDq9, A=sh -c $u
Mlocal, P=/bin/sh, F=lsoDq9, A=sh -c $u
"""
pytestmark = [pytest.mark.live]


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with Lab() as lab:
        yield lab.host("dmzmail.polkatistas.org", SENDMAIL)


def test_sendmail_has_the_same_class_and_macro(host: Host) -> None:
    read = 0
    for seed in range(FEW):
        data = alter.lines(SOUND, Random(seed))
        host.path("/etc/mail").mkdir(exist_ok=True)
        host.path("/etc/mail/altered.cf").write_bytes(data)
        words = host.namespace.command(("sendmail", "-C", "/etc/mail/altered.cf", "-bt"))
        done = subprocess.run(words, input=ASKED.encode(), capture_output=True, timeout=20, check=False)
        told = [part.decode(errors="surrogateescape").strip() for part in done.stdout.split(b"\n> ")]
        if done.returncode or len(told) < 3:
            continue
        ours = sendmail_cf.parse(data.decode(errors="surrogateescape"))
        assert set(told[1].split("\n")) - {""} == ours.classes.get("TrustAuthMech", frozenset()), (seed, data)
        assert told[2] == ours.macros.get("Tried", "Undefined"), (seed, data)
        read += 1
    assert read
