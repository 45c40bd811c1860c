"""Points after which something was wrong once.

Debian: strace.
"""

import re

import pytest
from cli.writing import Case

from .faults import points
from .test_calls import at, scene_of

_RETIRE = Case("cert retire attic", ("cert issue attic --to {here}/elsewhere",))
_INSTALL = Case(
    "cert install {here}/elsewhere/tuba-cert.pem --key {here}/elsewhere/tuba-key.pem",
    ("cert issue tuba --to {here}/elsewhere",),
)
_EXPORT = Case("sasl export --reveal --to {here}/accounts")
_AUTHORIZE = Case("bundle attic --authorize {here}/key.pub --to {here}/authorized_keys")

FOUND = {
    "no CRL at one place, and nothing brought it there later": (_RETIRE, "EIO", "openat.*certs>, \"\\.\"", 5),
    "a disk that fails was a key that is gone": (_INSTALL, "EIO", r"openat.*tuba-key\.pem\.new", 5),
    "a copy of all secrets beside what was exported": (_EXPORT, "EROFS", "unlinkat", 1),
    "a database without the lock of its readers": (
        Case("sasl convert --to lmdb {here}/converted"), "SIGKILL", r"fchmod.*\.converted-lock", 1,
    ),
    "a certificate whose key nobody got": (
        Case("bundle attic -o {here}/attic.tar"), "SIGKILL", r"fsync.*\.attic\.tar", 1,
    ),
    "a disk that failed hid what a backup did not know": (
        Case("ca crl", scene="restored"), "EIO", r"openat.*certs>, \"crl\.pem\"", 20,
    ),
    "an empty directory of an account that is gone": (
        Case("sasl delete maildroid"), "SIGKILL", r"unlinkat.*\"maildroid\", AT_REMOVEDIR", 1,
    ),
    "a temporary file beside authorized_keys": (_AUTHORIZE, "SIGKILL", "renameat.*authorized_keys", 1),
}  # fmt: skip
"""What it was, with the case, the fault, and the last so many of the calls that fit."""


@pytest.mark.parametrize("what", FOUND)
def test_it_is_mended(what: str, request: pytest.FixtureRequest) -> None:
    case, fault, call, last = FOUND[what]
    scene, log = scene_of(case, request)
    found = [point for point in points(fault, log, str(scene.admin.directory)) if re.search(call, point.text)]
    assert found
    assert [said for point in found[-last:] if (said := at(fault, scene, point).wrong)] == []
