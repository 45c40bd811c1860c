"""Seconds for a CRL of a million entries, beside ``openssl ca -gencrl`` with an index.txt of as many rows.

Run from the top of the source: ``PYTHONPATH=. python tests/benchmarks/bench_crl.py [ENTRIES]``. Both sides
start from that many revocations and end with PEM signed by the same P-256 key; ours are values in memory, as
they come out of the inventory, OpenSSL's are lines of a file.
"""

import datetime
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from smtpcreds.pki.crl import build_crl, read_crl, to_pem
from smtpcreds.pki.revocation import Reason, Revoked

T = TypeVar("T")
NOW = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
SECOND = datetime.timedelta(seconds=1)
YEAR = datetime.timedelta(days=365)
CONFIG = """
[ca]
default_ca = here
[here]
database = index.txt
certificate = ca.pem
private_key = key.pem
default_md = sha256
default_crl_days = 30
crlnumber = crlnumber
crl_extensions = ext
[ext]
authorityKeyIdentifier = keyid
"""


def issuer() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW - YEAR, NOW + YEAR)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return key, builder.add_extension(identifier, False).sign(key, hashes.SHA256())


def revocations(count: int) -> Iterator[Revoked]:
    """Serial numbers of 159 bits, spread over their range."""
    step = (1 << 159) // (count + 1)
    return (Revoked(n * step + n, NOW - n * SECOND, Reason.SUPERSEDED) for n in range(1, count + 1))


@dataclass(frozen=True)
class Cost:
    """Seconds on the clock, and of processor time (children included), which a busy machine changes less."""

    wall: float
    processor: float

    def __str__(self) -> str:
        return f"{self.wall:.2f} s ({self.processor:.2f} s of processor time)"


def processor() -> float:
    used = os.times()
    return used.user + used.system + used.children_user + used.children_system


def timed(work: Callable[[], T]) -> tuple[Cost, T]:
    start, before = time.perf_counter(), processor()
    result = work()
    return Cost(time.perf_counter() - start, processor() - before), result


def openssl(
    place: Path, key: ec.EllipticCurvePrivateKey, ca: x509.Certificate, revoked: list[Revoked]
) -> Cost:
    (place / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))
    (place / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    (place / "crlnumber").write_text("01\n")
    (place / "config").write_text(CONFIG)
    expiry = f"{NOW + YEAR:%y%m%d%H%M%SZ}"
    with (place / "index.txt").open("w") as index:
        for entry in revoked:
            serial = f"{entry.serial:X}"
            at = f"{entry.at:%y%m%d%H%M%SZ},superseded"
            index.write(
                f"R\t{expiry}\t{at}\t{serial.zfill(len(serial) + len(serial) % 2)}\tunknown\t/CN=host\n"
            )
    command = ["openssl", "ca", "-config", "config", "-gencrl", "-out", "crl.pem"]
    return timed(lambda: subprocess.run(command, cwd=place, check=True, capture_output=True))[0]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    key, ca = issuer()
    revoked = [*revocations(count)]
    with tempfile.TemporaryDirectory() as directory:
        theirs = openssl(Path(directory), key, ca, revoked)
        size = (Path(directory) / "crl.pem").stat().st_size
    ours, pem = timed(lambda: to_pem(build_crl(ca, key, 1, revoked, NOW, YEAR)))
    reading, crl = timed(lambda: read_crl(pem, "crl.pem", ca))
    finding, found = timed(lambda: crl.is_revoked(revoked[-1].serial))
    assert crl.count == count
    assert found
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(
        f"{count:,} entries, PEM of {len(pem) / 1e6:.0f} MB (openssl: {size / 1e6:.0f} MB), {peak} MB at most"
    )
    print(f"build, sign, PEM: {ours}")
    print(f"openssl ca -gencrl: {theirs}; ours is {ours.processor / theirs.processor:.2f} of it")
    print(f"read and verify: {reading}; find the last entry: {finding}")


if __name__ == "__main__":
    main()
