"""A disk that fails to read says nothing about what is in a file.

Debian: strace.
"""

import re
from pathlib import Path

from admin import Admin
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
    reads = _opens(log, str(published))
    assert reads
    assert len(reads) > 1
    for point in reads:
        admin = start.copy(start.directory.with_name(f"eio-{point.number}") / "root")
        ran, log = admin.traced(["ca", "crl"], {}, f"{point.call}:{_EIO}:when={point.number}")
        assert "(INJECTED)" in log
        assert before <= _revoked(admin.certs / "crl.pem"), ran


def _revoked(path: Path) -> set[int]:
    return {entry.serial_number for entry in x509.load_pem_x509_crl(path.read_bytes())}


def _opens(log: str, path: str) -> list[Point]:
    found, seen = [], 0
    for line in log.splitlines():
        if re.match(r"(?:\d+ +)?openat\(", line):
            seen += 1
            if re.search(r'/certs>, "crl\.pem"|/certs/crl\.pem"', line):
                found.append(Point("openat", seen, line))
    return found
