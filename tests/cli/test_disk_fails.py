"""A disk that fails to read says nothing about what is in a file.

Debian: strace.
"""

import re
from pathlib import Path

import pytest
from admin import Admin, Ran
from cryptography import x509
from kills import Point

_EIO = "error=EIO"


def test_what_a_backup_did_not_know_is_not_lost_where_its_witness_cannot_be_read(restored: Admin) -> None:
    """A state directory that was put back takes the revocations over from the published CRL."""
    published = restored.certs / "crl.pem"
    before = _revoked(published)
    assert before
    start = restored.copy(restored.directory.with_name("start") / "root")
    _, log = restored.traced(["ca", "crl"], {})
    reads = _opens(log, r'/certs>, "crl\.pem"|/certs/crl\.pem"')
    assert reads
    assert len(reads) > 1
    for point in reads:
        admin = start.copy(start.directory.with_name(f"eio-{point.number}") / "root")
        ran, log = admin.traced(["ca", "crl"], {}, f"{point.call}:{_EIO}:when={point.number}")
        assert "(INJECTED)" in log
        assert before <= _revoked(admin.certs / "crl.pem"), ran


def _revoked(path: Path) -> set[int]:
    return {entry.serial_number for entry in x509.load_pem_x509_crl(path.read_bytes())}


def _opens(log: str, file: str) -> list[Point]:
    found, seen = [], 0
    for line in log.splitlines():
        if re.match(r"(?:\d+ +)?openat\(", line):
            seen += 1
            if re.search(file, line) and " = -1 " not in line:
                found.append(Point("openat", seen, line))
    return found


LOOKS = {
    "which secrets still open": ("sasl rotate maildroid", "audit", "default-auth-info"),
    "who may read files": ("", "audit", "group"),
    "what was asked for alone": ("", "audit --only CERT --only PERM", "group"),
    "if a certificate is in use": ("", "cert show dmzmail", "dmzmail-cert.pem"),
    "if the root has revoked the authority": (
        "ca rollover --intermediate",
        "inventory check",
        "root-crl.pem",
    ),
    "what a file lacks": ("mta apply sendmail-hub", "mta check sendmail-hub", "sendmail.mc"),
}
"""What was typed before, what is typed, and the file at which the disk fails."""


@pytest.mark.parametrize("what", LOOKS)
def test_what_cannot_be_read_is_named(what: str, hub: Admin) -> None:
    before, words, name = LOOKS[what]
    hub.write("/etc/group", "smmsp:x:116:\n", 0o644)
    hub.write("/etc/mail/sendmail.mc", "divert(0)dnl\n", 0o644)
    if before:
        hub(*before.split())
    hub.run(*words.split())
    _, log = hub.traced(words.split(), {})
    file = rf'[</"]{re.escape(name)}"'
    hits = 0
    for point in _opens(log, file):
        if found := _failed_at(hub, words.split(), point, file):
            hit, ran = found
            hits += 1
            assert ran.status, (hit, ran)
            assert f"{name}: Input/output error" in ran, (hit, ran)
    assert hits


def _failed_at(hub: Admin, words: list[str], point: Point, file: str) -> tuple[str, Ran] | None:
    """Let the opening of a file fail; runs differ by a few openings before it, of modules among others."""
    for shift in (0, 1, -1, 2, -2, 3, -3):
        ran, log = hub.traced(words, {}, f"{point.call}:{_EIO}:when={point.number + shift}")
        hit = next((line for line in log.splitlines() if "(INJECTED)" in line), "")
        if re.search(file, hit):
            return hit, ran
    return None
