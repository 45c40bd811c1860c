"""Points after which something was wrong once.

Debian: strace.
"""

import re
from pathlib import Path

import pytest
from cli.writing import Case
from syscalls import GO_ON

from .after import again
from .faults import answer, points
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
    "a file of an account that is gone": (
        Case("sasl delete maildroid"), "ENOSPC", r"fsync\(.*/root/etc>\)", 1,
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


def test_a_client_file_keeps_the_secret_that_the_account_has_after_all(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    scene, log = scene_of(Case("sasl passwd maildroid --hashed"), request)
    hub = scene.admin
    found = points("ENOSPC", log, str(hub.directory))
    point = [one for one in found if re.search(r"fsync\(.*/root/etc>\)", one.text)][-1]
    again(hub, scene.start)
    ran = hub.answered(
        scene.words, [point.call], lambda _, number, __: answer("ENOSPC") if number == point.number else GO_ON
    )
    assert "No space left on device" in ran.err
    content = hub.path("/var/lib/smtpcreds/clients/maildroid/default-auth-info").read_text()
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text(content.splitlines()[2])
    assert "the password is right" in hub("sasl", "verify", "maildroid", "--password", f"file:{secret}")
