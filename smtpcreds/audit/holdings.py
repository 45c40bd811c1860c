"""The certificates under audit: those that mail programs are configured with, and those that lie ready."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..authority.layout import BUNDLE, Pair
from ..authority.reading import reading
from ..errors import SmtpcredsError
from ..files import read_public
from ..inventory import Certificate as Row
from ..pki.describe import fingerprint
from ..pki.hashlinks import is_link_name
from ..pki.pem import parse_certificates
from ..pki.profiles import HOST_PROFILES, Purpose
from ..pki.values import Certificate
from .uses import Use

if TYPE_CHECKING:
    from .world import World

CERTIFICATE_END = "-cert.pem"
SYSTEM_ROOTS = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a certificate and its key are; paths of this disk.

    Attributes:
        certificate: the file.
        key: where its key is, or should be.
        uses: what is configured with it; empty where it only lies there.
    """

    certificate: str
    key: str
    uses: tuple[Use, ...]


@dataclass(frozen=True, slots=True)
class Holding:
    """One certificate that was read.

    Attributes:
        place: where.
        leaf: the first certificate of the file.
        others: the rest of the file.
        row: what the inventory knows; None if nothing.
        known: CA certificates at hand: of configured files and hash links, of the bundle beside it.
    """

    place: Place
    leaf: Certificate
    others: tuple[Certificate, ...]
    row: Row | None
    known: tuple[Certificate, ...]

    @property
    def path(self) -> str:
        """The file."""
        return self.place.certificate

    @property
    def roles(self) -> tuple[Purpose, ...]:
        """What it is configured for, else what the inventory says that it was issued for."""
        configured = tuple(dict.fromkeys(use.role for use in self.place.uses))
        profile = HOST_PROFILES.get(self.row.profile) if self.row else None
        return configured or (profile.purposes if profile else ())

    def serves(self, program: str) -> bool:
        """Tell whether a program uses it as its server certificate."""
        return any(use.program == program and use.role is Purpose.SERVER for use in self.place.uses)


def places_of(world: "World") -> list[Place]:
    """Return every place, each certificate file once."""
    uses: dict[str, list[Use]] = {}
    keys: dict[str, str] = {}
    for use in world.uses:
        for number, name in enumerate(use.certificates):
            path = world.path(name)
            uses.setdefault(path, []).append(use)
            keys.setdefault(path, world.path(use.keys[min(number, len(use.keys) - 1)]) if use.keys else "")
    for directory in world.own_places:
        for name in world.names(directory):
            if name.endswith(CERTIFICATE_END):
                pair = Pair(f"{directory}/{name.removesuffix(CERTIFICATE_END)}")
                keys.setdefault(pair.certificate, pair.key)
    return [Place(path, key, tuple(uses.get(path, ()))) for path, key in keys.items()]


def holdings_of(world: "World") -> tuple[Holding, ...]:
    """Return every certificate that can be read; CERT002 names the others."""
    return tuple(holding for place in places_of(world) if (holding := _holding(world, place)))


def _holding(world: "World", place: Place) -> Holding | None:
    try:
        leaf, *others = parse_certificates(read_public(place.certificate), place.certificate).certificates
    except SmtpcredsError:
        return None
    return Holding(place, leaf, tuple(others), _row(world, leaf), _known(world, place))


def _row(world: "World", leaf: Certificate) -> Row | None:
    def look() -> Row | None:
        with reading(world.site) as inventory:
            return next(iter(inventory.find(fingerprint(leaf))), None)

    return world.attempt(look, None)


def _known(world: "World", place: Place) -> tuple[Certificate, ...]:
    found: list[Certificate] = []
    for use in place.uses:
        found += trusted_by(world, use)
    found += certificates_in(f"{os.path.dirname(place.certificate)}/{BUNDLE}")
    return tuple(dict.fromkeys((*found, *certificates_in(world.path(SYSTEM_ROOTS)))))


def trusted_by(world: "World", use: Use) -> tuple[Certificate, ...]:
    """Return the CA certificates that a program finds: those of its file, and those with a hash link."""
    found = list(certificates_in(world.path(use.ca_file))) if use.ca_file else []
    directory = world.path(use.ca_path) if use.ca_path else ""
    for name in world.names(directory):
        if is_link_name(name) and ".r" not in name:
            found += certificates_in(f"{directory}/{name}")
    return tuple(dict.fromkeys(found))


def certificates_in(path: str) -> tuple[Certificate, ...]:
    """Return the certificates of a file; none where it can't be read."""
    try:
        return parse_certificates(read_public(path), path).certificates
    except SmtpcredsError:
        return ()


def hosts(holdings: tuple[Holding, ...]) -> Iterator[tuple[Holding, str]]:
    """Yield each with the name of its host: the inventory's, else the first name that it holds."""
    from ..pki.dn import title

    yield from ((holding, holding.row.host if holding.row else title(holding.leaf)) for holding in holdings)
