"""What a certificate is for. Free of heavy imports, so that the command line can name profiles.

The extensions that follow from a profile are in :mod:`.values`.
"""

from enum import Enum

from ..errors import UsageError, suggestion
from ..lazy import dataclass


class Purpose(Enum):
    """A role in a TLS session (RFC 5280 section 4.2.1.12)."""

    SERVER = "server"
    CLIENT = "client"


@dataclass(frozen=True)
class Profile:
    """One kind of certificate.

    Attributes:
        name: as on the command line and in the inventory.
        label: for people.
        purposes: roles that the certificate may play; empty for CAs.
        is_ca: whether it signs others.
        path_length: how many CA certificates may stand between it and a host's; None where it is the
            caller's choice.
    """

    name: str
    label: str
    purposes: tuple[Purpose, ...] = ()
    is_ca: bool = False
    path_length: int | None = None


RELAY = Profile("relay", "relay certificate", (Purpose.SERVER, Purpose.CLIENT))
SERVER = Profile("server", "server certificate", (Purpose.SERVER,))
CLIENT = Profile("client", "client certificate", (Purpose.CLIENT,))
INTERMEDIATE = Profile("intermediate", "intermediate CA certificate", is_ca=True, path_length=0)
ROOT = Profile("root", "root CA certificate", is_ca=True)

HOST_PROFILES = {profile.name: profile for profile in (RELAY, SERVER, CLIENT)}
PROFILES = HOST_PROFILES | {profile.name: profile for profile in (INTERMEDIATE, ROOT)}


def parse_profile(text: str) -> Profile:
    """Return the profile for hosts of that name."""
    try:
        return HOST_PROFILES[text.lower()]
    except KeyError:
        raise UsageError(text or '""', "is not a profile", suggestion(text, HOST_PROFILES)) from None
