"""Bundle, CRLs and links in every certificate directory of this host, after the authority changed."""

import os
from collections.abc import Iterator, Mapping
from re import compile as pattern

from ..config import Site
from ..errors import SmtpcredsError
from ..files import check_directory, read_private, remove, sweep, write_all
from ..inventory import Inventory, State
from ..pki.hashlinks import is_link_name, subject_hash
from ..pki.pem import parse_certificates
from ..pki.values import Certificate
from .ca import certificates
from .elders import elders
from .install import surroundings
from .layout import BUNDLE, CRL, ca_files

_ELDER_CRL = pattern(r"crl-[0-9a-f]{8}\.pem")


def directories(site: Site, inventory: Inventory) -> list[str]:
    """Return the directories that exist and hold, or held, pairs of ours; the mail server's own first."""
    stems = (row.directory for row in inventory.listing(state=State.ISSUED, latest=True) if row.directory)
    found = dict.fromkeys([site.certificates, *(os.path.dirname(site.root.locate(stem)) for stem in stems)])
    return [directory for directory in found if os.path.isdir(directory)]


def spread(site: Site, inventory: Inventory) -> list[str]:
    """Bring bundle, CRLs and links of every directory up to date without any key; return the changed ones.

    A directory that can't be changed gets a warning, for what the authority is has been decided before.
    """
    changed = []
    for directory in directories(site, inventory):
        try:
            if _freshen(site, directory):
                changed.append(directory)
        except SmtpcredsError as error:
            site.warn(f"{error}; what stands in {directory} about the CA is of before")
    return changed


def _freshen(site: Site, directory: str) -> bool:
    chain, older = certificates(site), elders(site)
    check_directory(directory)
    sweep(directory)
    artifacts = surroundings(directory, chain, read_private(ca_files(site).crl), older)
    write_all(artifacts)
    issuers = {CRL: chain[0]} | {elder.crl_name: elder.certificate for elder in older}
    stale = list(leftovers(directory, issuers))
    for path in stale:
        remove(path)
    return bool(artifacts or stale)


def leftovers(directory: str, issuers: Mapping[str, Certificate]) -> Iterator[str]:
    """Yield CRLs of authorities that are gone, and hash links that lead to no CRL or CA of that name.

    Args:
        directory: with its bundle in place.
        issuers: names of the CRLs that belong there, and whose they are.
    """
    bundle = f"{directory}/{BUNDLE}"
    lists = {name: {subject_hash(issuer)} for name, issuer in issuers.items()}
    hashes = {subject_hash(ca) for ca in parse_certificates(read_private(bundle), bundle).certificates}
    for name in sorted(os.listdir(directory)):
        path = f"{directory}/{name}"
        if os.path.islink(path):
            stale = is_link_name(name) and _is_stale(path, lists | {BUNDLE: hashes})
        else:
            stale = bool(_ELDER_CRL.fullmatch(name)) and name not in lists
        if stale:
            yield path


def _is_stale(link: str, hashes: Mapping[str, set[str]]) -> bool:
    target, stem = os.readlink(link), os.path.basename(link).partition(".")[0]
    if target in hashes:
        return stem not in hashes[target]
    return bool(_ELDER_CRL.fullmatch(target))
