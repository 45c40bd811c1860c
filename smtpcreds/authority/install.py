"""What stands beside the pairs in a certificate directory: the CA bundle, the CRL and their hash links."""

import os
from collections.abc import Iterable

from ..config import Site
from ..errors import DamagedFileError, UnsafePathError
from ..files import (
    check_directory,
    check_parents,
    check_target,
    ensure_directory,
    read_private,
    read_public,
)
from ..files.guard import GROUP_OR_OTHER_WRITE
from ..model import Artifact, Link
from ..pki.hashlinks import subject_hash
from ..pki.pem import encode_certificates, parse_certificates
from ..pki.values import Certificate
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


def surroundings(directory: str, authorities: Iterable[Certificate], crl: bytes) -> list[Artifact | Link]:
    """Return what of bundle, CRL and links is missing or different in the directory."""
    own = tuple(authorities)
    return [*trust(directory, own), *revocation(directory, own[0], crl)]


def trust(directory: str, authorities: Iterable[Certificate]) -> list[Artifact | Link]:
    """Return what of the CA bundle and its links is missing or different.

    What the bundle holds already stays in it, behind the given ones: other CAs, whose answers were installed,
    and whatever the administrator put there.

    Each CA certificate gets its hash link to the bundle: OpenSSL reads every certificate of the file that a
    link leads to (by_dir.c), and Sendmail searches confCACERT_PATH by these names only.

    Raises:
        DamagedFileError: the bundle that is there can't be read.
        UnsafePathError: others can write to it, so those that are not among the given ones are doubtful.
    """
    given = tuple(authorities)
    bundle = tuple(dict.fromkeys((*given, *_kept(directory, given))))
    links = [Link(f"{directory}/{subject_hash(ca)}.0", BUNDLE) for ca in bundle]
    return _missing([Artifact(f"{directory}/{BUNDLE}", encode_certificates(bundle))], links) if bundle else []


def revocation(directory: str, issuer: Certificate, crl: bytes) -> list[Artifact | Link]:
    """Return what of the CRL and its link is missing or different."""
    link = Link(f"{directory}/{subject_hash(issuer)}.r0", CRL)
    return _missing([Artifact(f"{directory}/{CRL}", crl)], [link])


def bundled(directory: str) -> tuple[Certificate, ...]:
    """Return the CA certificates of the directory's bundle; nothing where there is none.

    Raises:
        DamagedFileError: it can't be read.
    """
    path = f"{directory}/{BUNDLE}"
    if not os.path.lexists(path):
        return ()
    check_target(path)
    content = read_public(path)
    try:
        return parse_certificates(content, path).certificates if content.strip() else ()
    except DamagedFileError as error:
        raise DamagedFileError(path, error.reason, "move it away, and what is ours is made anew") from None


def _kept(directory: str, given: tuple[Certificate, ...]) -> list[Certificate]:
    others = [ca for ca in bundled(directory) if ca not in given]
    path = f"{directory}/{BUNDLE}"
    if others and os.lstat(path).st_mode & GROUP_OR_OTHER_WRITE:
        reason = f"others can write to it, and it holds {len(others)} CA certificates that are not ours"
        raise UnsafePathError(
            path, reason, f"look at them: smtpcreds cert show {path}; then chmod 0600 {path}"
        )
    return others


def _missing(files: list[Artifact], links: list[Link]) -> list[Artifact | Link]:
    return [file for file in files if not _is_there(file)] + [link for link in links if not _leads(link)]


def _is_there(artifact: Artifact) -> bool:
    found = check_target(artifact.path)
    if found is None or found.st_mode & 0o777 != artifact.mode:
        return False
    return read_private(artifact.path) == artifact.content


def _leads(link: Link) -> bool:
    return os.path.islink(link.path) and os.readlink(link.path) == link.target
