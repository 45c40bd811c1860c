"""Trust directories: the CA bundle, CRLs and hash links beside the pairs, everywhere alike."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from re import compile as pattern

from ..config import Site
from ..errors import UNUSABLE, DamagedFileError, DataError, SmtpcredsError, UnsafePathError
from ..files import (
    check_directory,
    check_parents,
    check_target,
    ensure_directory,
    exists,
    is_directory,
    link_target,
    names_in,
    read_private,
    read_target,
    remove,
    sweep,
    write_all,
)
from ..files.guard import GROUP_OR_OTHER_WRITE
from ..inventory.inventory import Inventory
from ..inventory.rows import CertificateRow
from ..model import Artifact, Link
from ..pki.chains import is_link_name, subject_hash
from ..pki.crl import read_crl, verify_crl
from ..pki.encoding import encode_certificates, parse_certificates
from ..pki.values import Certificate
from ..shell import quote
from .authority import CA, Listed, crl_name
from .layout import ALL_CRLS, BUNDLE, CRL, Pair

# What stands beside the pairs in a certificate directory: the CA bundle, CRLs and their hash links.


def prepare(site: Site, directory: str) -> None:
    """Make the certificate directory 0700, or bring the configured one to it.

    An existing directory that the user named is only checked: it may be a home directory.
    """
    is_own = directory == site.certificates
    ensure_directory(directory, tighten=is_own)
    if not is_own:  # which each run begins with
        sweep(directory)


def check(directory: str) -> None:
    """Raise what :func:`prepare` would, without touching anything."""
    if exists(directory):
        check_directory(directory)
    else:
        above = os.path.dirname(directory)
        while not exists(above):
            above = os.path.dirname(above)
        check_parents(f"{above}/")


def certificate_file(certificate: Certificate, authorities: Iterable[Certificate]) -> bytes:
    """Return the certificate with the intermediates above it, without the root, as PEM.

    Sendmail sends only the first one of the file; for its sake the bundle holds the intermediates too.
    """
    between = (ca for ca in authorities if ca.subject != ca.issuer)
    return encode_certificates([certificate, *between])


def trust_changes(
    directory: str,
    authorities: Iterable[Certificate],
    lists: Iterable[Listed],
    without: Collection[Certificate] = (),
) -> list[Artifact | Link]:
    """Return what of bundle, CRLs and links is missing or different in the directory.

    Args:
        directory: that of the pairs.
        authorities: what :attr:`.authority.CA.trusted` says.
        lists: their CRLs.
        without: CA certificates that the bundle is to lose.
    """
    given, known = tuple(authorities), tuple(lists)
    others = others_lists(directory, {*given, *without})
    return [*trust(directory, given, without), *revocation(directory, (*others, *known))]


def trust(
    directory: str, authorities: Iterable[Certificate], without: Collection[Certificate] = ()
) -> list[Artifact | Link]:
    """Return what of the CA bundle and its links is missing or different.

    What the bundle holds already stays in it, behind the given ones: other CAs, whose answers were installed,
    and whatever the administrator put there; except those that it is to be without.

    Each CA certificate gets its hash link to the bundle: OpenSSL reads every certificate of the file that a
    link leads to (by_dir.c), and Sendmail searches confCACERT_PATH by these names only.

    Raises:
        UnsafePathError: others can write to it, so those that are not among the given ones are doubtful.
    """
    given = tuple(authorities)
    bundle = tuple(dict.fromkeys((*given, *_kept(directory, {*given, *without}))))
    return _missing(*_trusting(directory, bundle)) if bundle else []


def revocation(directory: str, lists: Iterable[Listed]) -> list[Artifact | Link]:
    """Return what of the CRLs and their links is missing or different.

    Sendmail reads only the first CRL of a file, so each has its own; confCRL_PATH finds them by these links.
    Those of CAs with one name are counted from 0 without a gap. For others there is a file with all of them.
    """
    return _missing(*_revoking(directory, lists))


def complete(
    directory: str, authorities: Iterable[Certificate], lists: Iterable[Listed]
) -> list[Artifact | Link]:
    """Return all that stands beside pairs, for a directory of another host, whatever is in ours."""
    files, links = _trusting(directory, tuple(authorities))
    more, more_links = _revoking(directory, lists)
    return [*files, *links, *more, *more_links]


def others_lists(directory: str, known: Collection[Certificate]) -> list[Listed]:
    """Return the CRLs, under a name as we give it, of CAs that the bundle holds besides ours.

    Where a state directory of before a rollover was put back, ``crl.pem`` is of the successor: overwritten,
    it would leave a CA that is trusted without its revocations. So these are written before ours.
    """
    found = []
    for other in bundled(directory):
        for name in (CRL, crl_name(other)) if other not in known else ():
            if (content := _crl_of(f"{directory}/{name}", other)) is not None:
                found.append(Listed(crl_name(other), other, content))
                break
    return found


def _crl_of(path: str, issuer: Certificate) -> bytes | None:
    """Return the content of a file that is a CRL of this CA, and that others can't write to."""
    try:
        content = read_private(path) if exists(path) else None
        if content is not None:
            verify_crl(read_crl(content, path, None), issuer, path)
    except (DamagedFileError, DataError, UnsafePathError):
        return None
    return content


def _trusting(directory: str, bundle: Collection[Certificate]) -> tuple[list[Artifact], list[Link]]:
    links = [Link(f"{directory}/{stem}.0", BUNDLE) for stem in dict.fromkeys(map(subject_hash, bundle))]
    return [Artifact(f"{directory}/{BUNDLE}", encode_certificates(bundle))], links


def _revoking(directory: str, lists: Iterable[Listed]) -> tuple[list[Artifact], list[Link]]:
    taken: Counter[str] = Counter()
    files, links = [], []
    for item in lists:
        stem = subject_hash(item.issuer)
        files.append(Artifact(f"{directory}/{item.name}", item.content))
        links.append(Link(f"{directory}/{stem}.r{taken[stem]}", item.name))
        taken[stem] += 1
    if files:
        files.append(Artifact(f"{directory}/{ALL_CRLS}", joined(file.content for file in files)))
    return files, links


def joined(lists: Iterable[bytes]) -> bytes:
    """Return CRLs in PEM as one file."""
    return b"".join(content if content.endswith(b"\n") else content + b"\n" for content in lists)


def bundled(directory: str) -> tuple[Certificate, ...]:
    """Return the CA certificates of the directory's bundle; nothing where there is none."""
    path = f"{directory}/{BUNDLE}"
    if not exists(path):
        return ()
    content = read_target(path)
    try:
        return parse_certificates(content, path).certificates if content.strip() else ()
    except DamagedFileError as error:
        raise DamagedFileError(
            path, error.reason, "move it away, and the program makes its own files again"
        ) from None


def readable_bundle(directory: str) -> tuple[Certificate, ...]:
    """Return the same, and nothing of a bundle that can't be read, which others tell of."""
    try:
        return bundled(directory)
    except UNUSABLE:
        return ()


def _kept(directory: str, known: Collection[Certificate]) -> list[Certificate]:
    others = [ca for ca in bundled(directory) if ca not in known]
    path = f"{directory}/{BUNDLE}"
    if others and os.lstat(path).st_mode & GROUP_OR_OTHER_WRITE:
        reason = f"others can write to it, and it holds {len(others)} CA certificates of other authorities"
        raise UnsafePathError(
            path, reason, f"look at them: smtpcreds cert show {quote(path)}; then chmod 0600 {quote(path)}"
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
    return (link_target(link.path) is not None) and link_target(link.path) == link.target


# Bundle, CRLs and links in every certificate directory of this host, after the authority changed.

_SUPERSEDED_CRL = pattern(r"crl-[0-9a-f]{8}\.pem")


def is_of_another(path: str) -> bool:
    """Tell whether a CRL has the name of one whose CA does not sign here any more, or never did."""
    return bool(_SUPERSEDED_CRL.fullmatch(os.path.basename(path)))


def directories(site: Site, inventory: Inventory) -> list[str]:
    """Return the directories that exist and hold, or held, certificates; the mail server's own first."""
    recorded = (place for authority in inventory.authorities() for place in inventory.places(authority.id))
    found, is_known = dict.fromkeys((site.certificates, *map(site.root.locate, recorded))), known_here(site)
    return [directory for directory in found if is_directory(directory) and is_known(directory)]


# An inventory on a server says where pairs are, and who runs that may say any directory of root. So what it
# says counts where this host says so, too: by its configuration, or by a bundle with an authority of ours,
# which the run wrote to which an administrator named the directory.


def known_here(site: Site) -> Callable[[str], bool]:
    """Return what tells whether pairs may be in a directory by this host's own word."""
    own = {site.certificates, site.hosts}
    found: dict[str, bool] = {}
    ca = CA(site)

    def is_known(directory: str) -> bool:
        if not site.machine or directory in own:
            return True
        if directory not in found:
            ours = {*ca.trusted, *ca.distrusted} if ca.is_there else set()
            found[directory] = bool(ours.intersection(readable_bundle(directory)))
        return found[directory]

    return is_known


def pair_at(site: Site, row: CertificateRow) -> Pair:
    """Return where the inventory has the pair of a certificate."""
    return Pair(site.root.locate(row.directory))


def rows_here(site: Site, rows: Iterable[CertificateRow]) -> list[CertificateRow]:
    """Return the certificates whose pairs are on this host by its own word, too."""
    is_known = known_here(site)
    return [row for row in rows if row.is_on(site.machine) and is_known(pair_at(site, row).directory)]


def unknown_here(site: Site, rows: Iterable[CertificateRow]) -> list[UnsafePathError]:
    """Return what is to be said of those that the server alone has here, once for each directory."""
    is_known = known_here(site)
    hosts: dict[str, str] = {}
    for row in rows:
        if row.is_on(site.machine) and not is_known(directory := pair_at(site, row).directory):
            hosts.setdefault(directory, row.host)
    return [not_known_here(directory, host) for directory, host in hosts.items()]


def unknown_directories(site: Site, inventory: Inventory) -> list[UnsafePathError]:
    """Return the same of all directories that exist and have a certificate in use."""
    if not site.machine:
        return []
    recorded = (place for authority in inventory.authorities() for place in inventory.places(authority.id))
    is_known = known_here(site)
    if all(is_known(place) or not is_directory(place) for place in map(site.root.locate, recorded)):
        return []
    told = unknown_here(site, inventory.listing(latest=True, expires_after=site.clock()))
    return [error for error in told if is_directory(error.subject)]


def not_known_here(directory: str, host: str) -> UnsafePathError:
    """Return what is to be said of one of them."""
    reason = f"the inventory's server has the pair of {host} there, and this host does not"
    bundle = f"{directory}/{BUNDLE}"
    lacks_bundle = is_directory(directory) and not exists(bundle)
    again = f"cert issue {quote(host)} --to {quote(directory)} --force"
    way = f"ca export --to {quote(bundle)}" if lacks_bundle else again
    return UnsafePathError(directory, reason, f"smtpcreds {way}")


def refresh_trust_directories(
    site: Site, inventory: Inventory, ca: CA
) -> tuple[list[str], list[SmtpcredsError]]:
    """Bring bundle, CRLs and links of every directory up to date without any key.

    A directory that can't be changed gets a warning, and the others go on.

    Returns:
        the directories that changed, and why others could not.
    """
    changed, failed = [], []
    for directory in directories(site, inventory):
        try:
            if _freshen(ca, directory):
                changed.append(directory)
        except SmtpcredsError as error:
            site.warn(f"{error}; the CA files in {directory} are not up to date")
            failed.append(error)
    return changed, failed


def trust_directory_changes(ca: CA, directory: str) -> list[Artifact | Link]:
    """Return what of bundle, CRLs and links is missing or different in a directory."""
    return trust_changes(directory, ca.trusted, ca.crl_lists(), ca.distrusted)


def trust_directory_content(ca: CA, directory: str, *, with_crls: bool) -> list[Artifact | Link]:
    """Return bundle and links for a directory of another host, and CRLs if something renews them there."""
    crls = [item for item in ca.crl_lists() if item.issuer in ca.trusted] if with_crls else []
    return complete(directory, ca.trusted, crls)


def _freshen(ca: CA, directory: str) -> bool:
    check_directory(directory)
    sweep(directory)
    artifacts = trust_directory_changes(ca, directory)
    write_all(artifacts)
    stale = list(leftovers(directory, belonging(ca, directory)))
    for path in stale:
        remove(path)
    return bool(artifacts or stale)


def belonging(ca: CA, directory: str) -> list[Listed]:
    """Return the CRLs that a directory is to hold: ours, and of other CAs those that it holds already."""
    return [*ca.crl_lists(), *others_lists(directory, {*ca.trusted, *ca.distrusted})]


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
            stale = is_of_another(name) and name not in lists
        if stale:
            yield path


def _is_stale(link: str, hashes: Mapping[str, set[str]]) -> bool:
    target, stem = link_target(link) or "", os.path.basename(link).partition(".")[0]
    if target in hashes:
        return stem not in hashes[target]
    return is_of_another(target)
