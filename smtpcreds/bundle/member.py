"""One member of a bundle, and the name under which the whole of it goes."""

from dataclasses import dataclass, field
from enum import Enum

README = "etc/smtpcreds/README.bundle"
SETTINGS = "etc/smtpcreds/client.toml"
"""Not smtpcreds.toml, so that tar never replaces what an administrator wrote there."""


class Kind(Enum):
    """What a member is; the value is its type in tar (POSIX.1-2017, pax, ustar header)."""

    FILE = b"0"
    LINK = b"2"
    DIRECTORY = b"5"


@dataclass(frozen=True, slots=True)
class Member:
    """One member.

    Attributes:
        path: relative to the host's root, without a leading slash.
        mode: permission bits.
        content: of a file.
        kind: what it is.
        target: of a symbolic link.
        user: name of its owner; numbers mean something else on every host.
        group: name of its group.
    """

    path: str
    mode: int
    content: bytes = field(default=b"", repr=False)
    kind: Kind = Kind.FILE
    target: str = ""
    user: str = "root"
    group: str = "root"

    @property
    def directory(self) -> str:
        """Where it lies."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its last part."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Label:
    """Whom a bundle is for.

    Attributes:
        host: full name of the client host.
        program: name of a mail program in the role of a client.
        fingerprint: SHA-256 of the hub's certificate, hex, for programs that need it; or empty.
    """

    host: str
    program: str
    fingerprint: str = ""
