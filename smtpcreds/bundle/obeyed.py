"""What a backup of somebody else could make root do once it is restored."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from ..accounts.database import recorded_place
from ..ca.directory import readable_bundle
from ..config import Settings, Site, SystemSettings
from ..errors import DamagedFileError, UnsafePathError, UsageError
from ..files import is_directory
from ..inventory.inventory import Inventory
from ..pki.values import Certificate


def is_within(path: str, directories: Iterable[str]) -> bool:
    """Tell whether a path leads into one of these directories, by whatever links."""
    real = os.path.realpath(path)
    return any(real.startswith(f"{os.path.realpath(directory)}/") for directory in directories)


# By its key: a library that the archive itself brings would be loaded into the next run that signs.


def verify_library(uri: str, site: Site, subject: str) -> None:
    """Refuse the URI of a key whose library lies where files of the archive go."""
    from ..pkcs11 import KeyUri

    try:
        module = KeyUri.parse(uri).module
    except UsageError as error:
        raise DamagedFileError(subject, f"names no key of a token: {error.reason}") from None
    if is_within(module, (site.state, site.certificates)):
        reason = f"has the token's library {module!a} come with the archive"
        raise UnsafePathError(subject, reason, "a token's library is installed, and is in no backup")


# By its configuration.

_LEADING = (
    *("inventory", "sasl.database", "sasl.copies", "sasl.owner", "sasl.group", "sasl.mode"),
    *(f"system.{name}" for name in SystemSettings._fields if name != "name"),
)
"""Keys that say where and for whom accounts are written, or name files and commands of the mail programs."""


def _usual(site: Site) -> Settings:
    """Return the settings of a system of the same name that sets nothing."""
    named = SystemSettings(name=site.settings.system.name)
    return replace(site, settings=Settings(system=named)).settings


def by_configuration(site: Site) -> Iterator[str]:
    """Yield what the configuration makes root do, in words."""
    settings, usual = site.settings, _usual(site)
    for key, source in (("ca.passphrase", settings.ca.passphrase), ("ca.pin", settings.ca.pin)):
        if source.startswith("cmd:"):
            yield f"runs a command: {key} = {source!r}"
    if settings.state != usual.state:
        yield f"puts the state directory at {settings.state!r}"
    if settings.cert.directory != usual.cert.directory:
        yield f"puts certificates into {settings.cert.directory!r}"
    for key in _LEADING:
        table, _, name = key.rpartition(".")
        own, plain = (getattr(of, table) if table else of for of in (settings, usual))
        if getattr(own, name) != getattr(plain, name):
            yield f"sets {key} = {getattr(own, name)!r}"


# By its inventory: directories get CRLs and renewed pairs, files and databases the accounts of a replacement.


class Recorded(NamedTuple):
    """What an inventory names.

    Attributes:
        certificates: how many it has.
        directories: where they are, as recorded.
        databases: of accounts that are being replaced, likewise.
        files: for their secrets.
    """

    certificates: int
    directories: tuple[str, ...]
    databases: tuple[str, ...]
    files: tuple[str, ...]


def recorded_in(inventory: Inventory) -> Recorded:
    """Return what an inventory names."""
    count, directories = 0, dict[str, None]()
    for row in inventory.listing():
        count += 1
        if row.directory:
            directories[row.directory.rpartition("/")[0]] = None
    open_rows = inventory.rotations.unfinished()
    databases = dict.fromkeys(row.sasldb for row in open_rows)
    files = dict.fromkeys(place for row in open_rows for place in row.places if place.startswith("/"))
    return Recorded(count, tuple(sorted(directories)), tuple(databases), tuple(files))


def by_inventory(site: Site, recorded: Recorded, authority: Certificate) -> Iterator[str]:
    """Yield where the inventory makes root write, in words; a bundle with this authority is a reason to."""
    own = (f"{site.state}/", f"{site.certificates}/")
    for place in recorded.directories:
        path = os.path.normpath(site.root.locate(place))
        is_own = f"{path}/".startswith(own)
        if not is_own and is_directory(path) and authority not in readable_bundle(path):
            yield f"has certificates in {path!a}"
    for database in recorded.databases:
        if database != recorded_place(site, site.sasldb):
            yield f"replaces an account in {database!a}"
    for path in recorded.files:
        if not os.path.normpath(path).startswith(own):
            yield f"has a new secret for {path!a}"
