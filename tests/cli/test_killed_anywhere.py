"""Every verb that writes, killed at every kind of system call by itself; the same command goes on.

The ordinary run takes the middle one of each kind of call. SMTPCREDS_KILL_ALL=1 takes each.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from itertools import groupby

import pytest
from admin import INVENTORY, Admin
from kills import Point

from .writing import CASES, Case, prepared

EVERYWHERE = bool(os.environ.get("SMTPCREDS_KILL_ALL"))
DONE = {0, 1}
ALREADY = {65, 66, 67, 73}
"""What a run says that finds itself done: it is there already, or what it was to take away is gone."""
LOCKED = 77
"""What a second ``ca passphrase`` says that is not told the passphrase which the first one set, and a second
``ca rollover`` before the first has ended."""


def chosen(points: Iterable[Point]) -> Iterator[Point]:
    """Yield the middle one of each kind of call, or all of them."""
    for _, group in groupby(sorted(points, key=lambda point: point.call), key=lambda point: point.call):
        kind = list(group)
        yield from kind if EVERYWHERE else kind[len(kind) // 2 :][:1]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.words.replace("/", "_"))
def test_the_same_command_goes_on(case: Case, request: pytest.FixtureRequest) -> None:
    admin: Admin = request.getfixturevalue(case.scene)
    words = prepared(admin, case)
    expected = DONE | ALREADY | ({LOCKED} if case.verb in {"ca passphrase", "ca rollover"} else set())
    start = admin.directory.with_name(f"{admin.directory.name}-start")
    shutil.copytree(admin.directory, start, symlinks=True)
    for point in chosen(admin.kill_points(*words)):
        again(admin, start)
        assert admin.killed_at(point, *words), point
        ran = admin.run(*words)
        assert ran.status in expected, (point, ran)
        assert not list(admin.directory.rglob("*.smtpcreds-*")), point
        sound(admin)


def again(admin: Admin, start: os.PathLike[str]) -> None:
    """Bring everything back to the start."""
    shutil.rmtree(admin.directory)
    shutil.copytree(start, admin.directory, symlinks=True)


def sound(admin: Admin) -> None:
    """Nothing is half-way: no pending certificate, every pair whole, the accounts readable."""
    if admin.path(INVENTORY).exists():
        assert admin.query("SELECT host FROM certificates WHERE state = 'pending'") == []
    for certificate in admin.certs.glob("*-cert.pem"):
        assert admin.is_pair(certificate.name.removesuffix("-cert.pem"))
    assert admin.run("sasl", "list").status in {0, 66}
