"""What stands beside the pairs in a certificate directory: the CA bundle, CRLs and their hash links."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping

from ..config import Site
from ..files import check_directory, check_parents, check_target, ensure_directory, read_private
from ..model import Artifact, Link
from ..pki.hashlinks import subject_hash
from ..pki.pem import encode_certificates
from ..pki.values import Certificate
from .elders import Elder
from .layout import BUNDLE, CRL


def prepare(site: Site, directory: str) -> None:
    """Make the certificate directory 0700, or bring the configured one to it.

    An existing directory that the user named is only checked: it may be a home directory.

    Raises:
        UnsafePathError: a link, a foreign owner, or others can write to it or above it.
    """
    ensure_directory(directory, tighten=directory == site.certificates)


def check(directory: str) -> None:
    """Raise what :func:`prepare` would, without touching anything."""
    if os.path.lexists(directory):
        check_directory(directory)
    else:
        above = os.path.dirname(directory)
        while not os.path.lexists(above):
            above = os.path.dirname(above)
        check_parents(f"{above}/")


def certificate_file(certificate: Certificate, authorities: Iterable[Certificate]) -> bytes:
    """Return the certificate with the intermediates above it, without the root, as PEM.

    Sendmail sends only the first one of the file; for its sake the bundle holds the intermediates too.
    """
    between = (ca for ca in authorities if ca.subject != ca.issuer)
    return encode_certificates([certificate, *between])


def surroundings(
    directory: str, authorities: Iterable[Certificate], crl: bytes, elders: Iterable[Elder] = ()
) -> list[Artifact | Link]:
    """Return what of bundle, CRLs and links is missing or different in the directory.

    Each CA certificate gets its hash link to the bundle: OpenSSL reads every certificate of the file that a
    link leads to (by_dir.c), and Sendmail searches confCACERT_PATH by these names only. It reads only the
    first CRL of a file, so that of an elder has its own, found through confCRL_PATH.

    Args:
        directory: that of the pairs.
        authorities: the CA that signs and those above it.
        crl: its CRL as PEM.
        elders: authorities that it replaced and that are still trusted.
    """
    signing, older = tuple(authorities), tuple(elders)
    bundle = tuple(dict.fromkeys((*signing, *(ca for elder in older for ca in elder.path))))
    lists = {CRL: crl} | {e.crl_name: read_private(e.files.crl) for e in older if e.has_crl}
    files = [Artifact(f"{directory}/{BUNDLE}", encode_certificates(bundle))]
    files += [Artifact(f"{directory}/{name}", content) for name, content in lists.items()]
    issuers = {CRL: signing[0]} | {elder.crl_name: elder.certificate for elder in older}
    names = dict.fromkeys((f"{subject_hash(ca)}.0" for ca in bundle), BUNDLE) | _crl_links(
        {name: issuers[name] for name in lists}
    )
    links = [Link(f"{directory}/{name}", target) for name, target in names.items()]
    return [file for file in files if not _is_there(file)] + [link for link in links if not _leads(link)]


def _crl_links(issuers: Mapping[str, Certificate]) -> dict[str, str]:
    """Return link name to CRL name; CAs of one name are counted from 0 without a gap."""
    taken: Counter[str] = Counter()
    found: dict[str, str] = {}
    for name, issuer in issuers.items():
        stem = subject_hash(issuer)
        found[f"{stem}.r{taken[stem]}"] = name
        taken[stem] += 1
    return found


def _is_there(artifact: Artifact) -> bool:
    found = check_target(artifact.path)
    if found is None or found.st_mode & 0o777 != artifact.mode:
        return False
    return read_private(artifact.path) == artifact.content


def _leads(link: Link) -> bool:
    return os.path.islink(link.path) and os.readlink(link.path) == link.target
