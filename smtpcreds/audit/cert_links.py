"""CERT: the hash links of a certificate directory, without which OpenSSL finds nothing there."""

import os
from collections.abc import Iterator

from ..authority.ca import CA
from ..authority.everywhere import around
from ..authority.install import trust
from ..authority.layout import BUNDLE
from ..errors import SmtpcredsError, UnsafePathError
from ..files import read_public
from ..model import Link
from ..pki.crl import read_crl
from ..pki.describe import authority_of
from ..pki.hashlinks import is_link_name, issuer_hash, subject_hash
from ..pki.pem import blocks
from ..pki.values import Certificate
from .finding import Finding, found
from .holdings import CERTIFICATE_END, certificates_in
from .repairs import relink, unlink
from .world import World


def missing(world: World) -> Iterator[Finding]:
    """Every CA certificate and CRL of ours has its link."""
    for directory in world.own_places:
        try:
            wanted = around(CA(world.site), directory) if CA(world.site).is_there else trust(directory, ())
        except UnsafePathError:
            continue  # PERM says so, of the bundle or of a directory above it
        links = [link for link in wanted if isinstance(link, Link)]
        for link in (*links, *_of_others(world, directory)):
            target = f"{directory}/{link.target}"
            if os.path.exists(target):
                reason = f"{link.target} has no hash link, so it is not found in {directory}"
                yield found("CERT019", link.path, reason, f"ln -sfn {link.target} {link.path}", relink(link))


def stale(world: World) -> Iterator[Finding]:
    """Every link leads to a file of that name's hash."""
    for directory in world.own_places:
        for name in world.names(directory):
            path = f"{directory}/{name}"
            if is_link_name(name) and os.path.islink(path) and (why := _fault(path, name)):
                yield found("CERT020", path, why, f"rm {path}", unlink(path))


def _of_others(world: World, directory: str) -> Iterator[Link]:
    """Yield the links that lack for CA certificates in files of their own, as an administrator puts them."""
    if directory not in {world.path(use.ca_path) for use in world.uses}:
        return
    bundle = certificates_in(f"{directory}/{BUNDLE}")
    for name in world.names(directory):
        path = f"{directory}/{name}"
        if os.path.islink(path) or name == BUNDLE or name.endswith(CERTIFICATE_END):
            continue
        held = certificates_in(path) if name.endswith((".pem", ".crt")) else ()
        if len(held) == 1 and authority_of(held[0])[0] and held[0] not in bundle:
            yield from _unlinked(directory, name, held[0])


def _unlinked(directory: str, name: str, authority: Certificate) -> Iterator[Link]:
    stem = subject_hash(authority)
    for number in range(10):
        path = f"{directory}/{stem}.{number}"
        if authority in certificates_in(path):
            return
        if not os.path.lexists(path):
            yield Link(path, name)
            return


def _fault(path: str, name: str) -> str | None:
    if not os.path.exists(path):
        return f"leads to {os.readlink(path)}, which is not there"
    stem = name.partition(".")[0]
    if ".r" in name:
        hashes = list(_crl_hashes(path))  # none where CERT017 says why
        is_right = stem in hashes or not hashes
        return None if is_right else f"leads to {os.readlink(path)}, which is of another name"
    held = {subject_hash(certificate) for certificate in certificates_in(path)}
    return None if stem in held else f"leads to {os.readlink(path)}, which holds nothing of that name"


def _crl_hashes(path: str) -> Iterator[str]:
    """Yield the hash of each CRL that can be read; OpenSSL reads all of a file that a link leads to."""
    for block in blocks(read_public(path)):
        try:
            yield issuer_hash(read_crl(block.text(), path, None).parsed)
        except SmtpcredsError:
            continue
