"""Copies of a host's certificates for a program that runs as its own user, and so can't read those of root.

They are outdated when the pair is renewed or a CRL is published; ``mta check`` tells, ``mta apply`` copies.
"""

from collections.abc import Mapping

from ..errors import DamagedFileError, UsageError
from ..lazy import dataclass, pattern
from ..secret import Secret
from .program import Facts, File, Material

_EDGE = pattern(rb"-----(?:BEGIN|END) [A-Z0-9 ]+-----")
_BODY = pattern(rb"[A-Za-z0-9+/]+={0,2}")


@dataclass(frozen=True)
class Copies:
    """Where a program has its copies.

    Attributes:
        directory: of all of them.
        group: that reads the key.
    """

    directory: str
    group: str

    @property
    def key(self) -> str:
        """Path of the private key."""
        return f"{self.directory}/key.pem"

    @property
    def certificate(self) -> str:
        """Path of the certificate and those between it and the root."""
        return f"{self.directory}/cert.pem"

    @property
    def bundle(self) -> str:
        """Path of the CA's certificates."""
        return f"{self.directory}/cacert.pem"

    @property
    def crl(self) -> str:
        """Path of the CRLs of every CA in the bundle."""
        return f"{self.directory}/crl.pem"

    @property
    def paths(self) -> tuple[str, ...]:
        """All of them."""
        return self.key, self.certificate, self.bundle, self.crl

    def key_file(self, facts: Facts) -> File:
        """Return the private key."""
        return File(self.key, (material(facts).key,), 0o640, group=self.group)

    def public_files(self, facts: Facts) -> tuple[File, ...]:
        """Return the others."""
        given = material(facts)
        return (
            File(self.certificate, (given.certificate,)),
            File(self.bundle, (given.bundle,)),
            *((File(self.crl, (given.all_crls,)),) if given.all_crls else ()),
        )

    def crl_setting(self, facts: Facts, name: str) -> Mapping[str, str]:
        """Return the setting that names the CRL; none where the CA may sign none."""
        return {name: self.crl} if facts.tls.crl else {}

    def parse(self, path: str, content: bytes) -> Mapping[str, str | Secret]:
        """Read a copy back.

        Raises:
            DamagedFileError: it is not PEM.
        """
        lines = content.split(b"\n")
        for number, line in enumerate(lines, 1):
            if line and not _EDGE.fullmatch(line) and not _BODY.fullmatch(line):
                raise DamagedFileError(path, f"line {number} is not PEM")
        if path == self.key:
            return {"key": Secret(content)}
        return {
            "blocks": str(sum(line.startswith(b"-----BEGIN ") for line in lines)),
            "pem": content.decode(),
        }


def material(facts: Facts) -> Material:
    """Return what is to be copied."""
    if facts.material is None:
        raise UsageError(facts.host, "has no certificates to copy")
    return facts.material
