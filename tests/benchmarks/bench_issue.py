"""Certificates in one batch, beside certtool one by one and beside the bare arithmetic of it.

Run from the top of the source tree: ``python -m tests.benchmarks.bench_issue [COUNT]``. The files of a batch
are durable when its time ends. The bare arithmetic is key generation and one signature each, by the same
library in this process, without a file.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

TEMPLATE = (
    "cn = {host}\ndns_name = {host}\ntls_www_server\ntls_www_client\nsigning_key\nexpiration_days = 365\n"
)


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def repeat(work: Callable[[int], None], count: int) -> None:
    for number in range(count):
        work(number)


def smtpcreds(root: Path, *words: str) -> None:
    command = [sys.executable, "-m", "smtpcreds", "--root", str(root), *words]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)


def batch(root: Path, prefix: str, count: int) -> float:
    hosts = root / f"{prefix}.csv"
    hosts.write_text("".join(f"{prefix}{number}.polkatistas.org\n" for number in range(count)))
    return seconds(lambda: smtpcreds(root, "cert", "issue", "--from", str(hosts), "-q"))


def certtool(directory: Path, count: int) -> float:
    run = ["certtool", "--outfile"]
    quiet = {"check": True, "stderr": subprocess.DEVNULL}
    subprocess.run([*run, directory / "ca.key", "--generate-privkey", "--key-type", "ecdsa"], **quiet)  # type: ignore[call-overload]
    (directory / "ca.cfg").write_text("cn = CA\nca\ncert_signing_key\nexpiration_days = 3650\n")
    own = ["--load-privkey", directory / "ca.key", "--template", directory / "ca.cfg"]
    subprocess.run([*run, directory / "ca.crt", "--generate-self-signed", *own], **quiet)  # type: ignore[call-overload]

    def one(number: int) -> None:
        key, template = directory / f"{number}.key", directory / f"{number}.cfg"
        template.write_text(TEMPLATE.format(host=f"h{number}.polkatistas.org"))
        subprocess.run([*run, key, "--generate-privkey", "--key-type", "ecdsa"], **quiet)  # type: ignore[call-overload]
        signer = ["--load-ca-certificate", directory / "ca.crt", "--load-ca-privkey", directory / "ca.key"]
        options = ["--generate-certificate", "--load-privkey", key, *signer, "--template", template]
        subprocess.run([*run, directory / f"{number}.crt", *options], **quiet)  # type: ignore[call-overload]

    return seconds(lambda: repeat(one, count))


def arithmetic(count: int) -> float:
    """Key generation, the builder with the extensions of a host's certificate, one signature."""
    ca = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA")])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.public_key())
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    roles = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])

    def one(number: int) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"h{number}.polkatistas.org")])
        builder = x509.CertificateBuilder(issuer, name, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(start).not_valid_after(start + timedelta(days=365))
        builder = builder.add_extension(x509.BasicConstraints(False, None), True)
        builder = builder.add_extension(usage, True).add_extension(roles, False)
        names = x509.SubjectAlternativeName([x509.DNSName(f"h{number}.polkatistas.org")])
        builder = builder.add_extension(names, False).add_extension(authority, False)
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder.add_extension(identifier, False).sign(ca, hashes.SHA256())

    return seconds(lambda: repeat(one, count))


def main(count: int) -> None:
    with tempfile.TemporaryDirectory(dir=".") as scratch:
        root = Path(scratch).resolve()
        smtpcreds(root, "ca", "init", "--no-passphrase", "--permit", "polkatistas.org")
        hundred, rival = batch(root, "a", 100), certtool(root, 100)
        print(f"100 certificates: {hundred:.2f} s; certtool {rival:.2f} s; ratio {hundred / rival:.2f}")
        bare = arithmetic(count)
        many = batch(root, "b", count)
        print(
            f"{count} certificates: {many:.2f} s; bare arithmetic {bare:.2f} s; speed ratio {bare / many:.2f}"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
