"""Where a run is killed in the tests of one verb, and what has to be so after the next run."""

import os
import shutil
from collections.abc import Iterable, Iterator
from itertools import groupby

from admin import INVENTORY, Admin
from kills import Point


def chosen(points: Iterable[Point]) -> Iterator[Point]:
    """Yield the middle one of each kind of call."""
    for _, group in groupby(sorted(points, key=lambda point: point.call), key=lambda point: point.call):
        kind = list(group)
        yield kind[len(kind) // 2]


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
