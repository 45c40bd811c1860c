"""What brings a code about: a row of the table, and the hands and tools of an administrator."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from admin import HUB, peer

from .scene import (
    Host,
    openssl,
)

KEY, CERT, BUNDLE, CRL = "dmzmail-key.pem", "dmzmail-cert.pem", "cacert.pem", "crl.pem"
CA = "/var/lib/smtpcreds/ca"
SASLDB = "/etc/sasldb2"


@dataclass(frozen=True)
class Break:
    """One row.

    Attributes:
        code: that must be found.
        scene: which host.
        do: breaks it.
        also: codes that are found with it, because they are true too.
    """

    code: str
    scene: str
    do: Callable[[Host], object]
    also: frozenset[str] = field(default_factory=frozenset)


BREAKS: list[Break] = []
Breaker = Callable[[Host], object]


def breaks(code: str, scene: str = "hub", *also: str) -> Callable[[Breaker], Breaker]:
    def row(do: Breaker) -> Breaker:
        BREAKS.append(Break(code, scene, do, frozenset(also)))
        return do

    return row


def touch(path: Path, ahead: int) -> None:
    """Make a file newer or older, by seconds."""
    at = path.stat().st_mtime + ahead
    os.utime(path, (at, at))


def setfacl(words: str, path: Path) -> None:
    peer("setfacl", "-m", words, path)


def sign(
    host: Host, *how: str, name: str = HUB, cn: str = HUB, key: Path | None = None, to: str = CERT
) -> None:
    """Have OpenSSL sign a certificate with the CA's key, for the key of the host or another one."""
    request, extensions = host.root / "x.csr", host.root / "x.cnf"
    usage = next(
        (word.partition("eku:")[2] for word in how if word.startswith("eku:")), "serverAuth,clientAuth"
    )
    extensions.write_text(f"subjectAltName=DNS:{name}\nextendedKeyUsage={usage}\nkeyUsage=digitalSignature\n")
    openssl("req", "-new", "-key", key or host.cert(KEY), "-subj", f"/CN={cn}", "-out", request)
    ca = host.path(CA)
    issuer = ("-CA", ca / "ca-cert.pem", "-CAkey", ca / "ca-key.pem", "-set_serial", "4711")
    words = [word for word in how if not word.startswith("eku:")]
    target = host.cert(to)
    openssl(
        "x509", "-req", "-in", request, *issuer, "-days", "90", "-extfile", extensions, "-out", target, *words
    )
    target.chmod(0o600)
    request.unlink()
    extensions.unlink()


def records(host: Host, *new: tuple[bytes, bytes]) -> None:
    """Put records into sasldb2 with Berkeley DB's own tool."""
    lines = b"".join(b" %s\n %s\n" % (key.hex().encode(), value.hex().encode()) for key, value in new)
    head = b"VERSION=3\nformat=bytevalue\ntype=hash\nHEADER=END\n"
    peer("db5.3_load", host.path(SASLDB), stdin=head + lines + b"DATA=END\n")


def account(name: bytes, prop: bytes, realm: bytes = HUB.encode()) -> bytes:
    return b"\0".join((name, realm, prop))
