"""Bundle, CRLs and links in every certificate directory of this host, after the authority changed."""

import os
from collections.abc import Iterable, Iterator, Mapping
from re import compile as pattern

from ..config import Site
from ..errors import SmtpcredsError
from ..files import (
    check_directory,
    is_directory,
    link_target,
    names_in,
    remove,
    sweep,
    write_all,
)
from ..inventory import Inventory
from ..model import Artifact, Link
from ..pki.hashlinks import is_link_name, subject_hash
from .ca import CA, Listed
from .install import bundled, complete, surroundings
from .layout import BUNDLE

_ELDER_CRL = pattern(r"crl-[0-9a-f]{8}\.pem")


def directories(site: Site, inventory: Inventory) -> list[str]:
    """Return the directories that exist and hold, or held, certificates; the mail server's own first."""
    recorded = (place for authority in inventory.authorities() for place in inventory.places(authority.id))
    found = dict.fromkeys((site.certificates, *map(site.root.locate, recorded)))
    return [directory for directory in found if is_directory(directory)]


def spread(site: Site, inventory: Inventory, ca: CA) -> list[str]:
    """Bring bundle, CRLs and links of every directory up to date without any key; return the changed ones.

    A directory that can't be changed gets a warning, for what the authority is has been decided before.
    """
    changed = []
    for directory in directories(site, inventory):
        try:
            if _freshen(ca, directory):
                changed.append(directory)
        except SmtpcredsError as error:
            site.warn(f"{error}; what stands in {directory} about the CA is of before")
    return changed


def around(ca: CA, directory: str) -> list[Artifact | Link]:
    """Return what of bundle, CRLs and links is missing or different in a directory."""
    return surroundings(directory, ca.trusted, ca.crl_lists(), ca.distrusted)


def elsewhere(ca: CA, directory: str) -> list[Artifact | Link]:
    """Return all of bundle, CRLs and links for a directory of another host."""
    return complete(directory, ca.trusted, ca.crl_lists())


def _freshen(ca: CA, directory: str) -> bool:
    check_directory(directory)
    sweep(directory)
    artifacts = around(ca, directory)
    write_all(artifacts)
    stale = list(leftovers(directory, ca.crl_lists()))
    for path in stale:
        remove(path)
    return bool(artifacts or stale)


def leftovers(directory: str, belonging: Iterable[Listed]) -> Iterator[str]:
    """Yield CRLs of authorities that are gone, and hash links that lead to no CRL or CA of that name.

    Args:
        directory: with its bundle in place.
        belonging: the CRLs that it is to hold.
    """
    lists = {item.name: {subject_hash(item.issuer)} for item in belonging}
    hashes = {subject_hash(ca) for ca in bundled(directory)}
    for name in sorted(names_in(directory)):
        path = f"{directory}/{name}"
        if link_target(path) is not None:
            stale = is_link_name(name) and _is_stale(path, lists | {BUNDLE: hashes})
        else:
            stale = bool(_ELDER_CRL.fullmatch(name)) and name not in lists
        if stale:
            yield path


def _is_stale(link: str, hashes: Mapping[str, set[str]]) -> bool:
    target, stem = link_target(link) or "", os.path.basename(link).partition(".")[0]
    if target in hashes:
        return stem not in hashes[target]
    return bool(_ELDER_CRL.fullmatch(target))
