"""CERT: lists of revoked certificates, and the hash links without which OpenSSL finds nothing.

Nobody notices when a list is absent, and its end stops everything.
"""

import os
from collections.abc import Iterator

from ..ca.above import cure_above
from ..ca.altered import findings as altered
from ..ca.authority import OF_CA, Listed, crl_url
from ..ca.crl import crl_paths
from ..ca.directory import is_of_another, trust, trust_directory_changes
from ..ca.layout import BUNDLE, CRL, CURE_CRL, ca_files, cure_crl, reading
from ..errors import UNUSABLE, DataError, SmtpcredsError, UnsafePathError
from ..files import read_public
from ..model import Finding, Link
from ..pki.chains import is_link_name, issuer_hash, subject_hash
from ..pki.crl import Crl, is_crl_of, read_crl
from ..pki.describe import authority_of
from ..pki.encoding import blocks
from ..pki.values import Certificate
from ..shell import quote
from .finding import Code
from .host import CERTIFICATE_END, Host
from .permissions import relink, unlink
from .rewriting import again
from .uses import CertificateUse

_LABELS = {"X509 CRL", "CRL"}


CERT013 = Code.warning(
    "CERT013",
    "no CRL is configured, or it is missing, so revocations have no effect; nothing is logged",
)


def present(host: Host) -> Iterator[Finding]:
    """Sendmail finds the CRL that it is told of, and on a hub is told of one.

    A client host is only told of one where something renews it (``--crl``).
    """
    for use in host.uses:
        if use.program == "sendmail" and (why := _absent(host, use)):
            told = again(host, use.program, "")
            cure = " && ".join(filter(None, (_cure(host), told)))
            if not told and not use.crl_file:
                cure += ", and define confCRL in sendmail.mc"
            yield CERT013.found(host.path(use.config), why, cure)


CERT017 = Code.error(
    "CERT017",
    "a CRL that Sendmail can't read (DER, empty, cut off); it then revokes nothing",
)
CERT018 = Code.warning(
    "CERT018",
    "several CRLs in one file, of which Sendmail reads the first; nothing is logged",
)


def readable(host: Host) -> Iterator[Finding]:
    """Each file of a CRL holds one, as PEM."""
    for path in _files(host):
        content = host.content(path)
        if content is None:
            continue
        lists = [block for block in blocks(content) if block.label in _LABELS]
        if not lists or any(block.decode() is None for block in lists):
            what = "is empty" if not content else "is not a CRL in PEM"
            yield CERT017.found(path, f"{what}, so Sendmail revokes nothing", _cure(host))
        elif len(lists) > 1:
            reason = f"holds {len(lists)} CRLs, of which Sendmail reads the first"
            yield CERT018.found(
                path, reason, "give each a file of its own in confCRL_PATH, and openssl rehash"
            )


CERT014 = Code.error(
    "CERT014",
    "a CRL that has expired or is not valid yet; Sendmail then refuses every certificate of that CA",
)
CERT015 = Code.warning("CERT015", "a CRL that has less than a third of its lifetime left")


def current(host: Host) -> Iterator[Finding]:
    """Each CRL is valid now, and for a while yet."""
    now = host.site.clock()
    for path, crl in _lists(host):
        if fault := crl.fault(now):
            yield CERT014.found(path, fault, _renewal(host, path, crl))
        elif remark := crl.period.remark(now):
            yield CERT015.found(path, remark, _renewal(host, path, crl))


CERT016 = Code.error(
    "CERT016",
    "a CRL of another CA than those of the bundle, or not signed by the one that it names",
)


def issued(host: Host) -> Iterator[Finding]:
    """Each CRL is signed by a CA that is believed here."""
    for path, crl in _lists(host):
        authorities = [*host.certificates_in(f"{os.path.dirname(path)}/{BUNDLE}"), *host.authorities]
        authorities += [former.certificate for former in host.ca.retired]
        for use in host.uses:
            authorities += host.trusted_by(use)
        if authorities and not any(is_crl_of(crl, ca) for ca in dict.fromkeys(authorities)):
            reason = f"is not signed by a CA that is trusted here, but by {crl.issuer}"
            yield CERT016.found(path, reason, f"rm {quote(path)}" if is_of_another(path) else _cure(host))


CERT025 = Code.error(
    "CERT025",
    "an inventory that knows less than was published: a backup was restored, or revocations were taken out",
)


def ahead(host: Host) -> Iterator[Finding]:
    """What was published is what the state directory knows."""
    for item in host.attempt(lambda: _restored(host), list[Finding]()):
        yield CERT025.found(item.subject, item.message, host.at_authority(item.cure))


def _restored(host: Host) -> list[Finding]:
    with reading(host.site) as inventory:
        return list(altered(host.site, inventory, host.ca))


CERT026 = Code.error(
    "CERT026",
    "a CRL distribution point (ca.crl_url) that serves no current CRL of the authority",
)
_WAIT = 5
"""Seconds that a web server has."""
_MOST = 256 * 1024 * 1024
"""Octets of a CRL; one of a million entries has 72 million."""


def handed_out(host: Host) -> Iterator[Finding]:
    """What new certificates name as their CRL is there: the one that was signed last, as DER or PEM."""
    ca = host.ca
    if not (host.site.settings.ca.crl_url and ca.is_there):
        return
    lists = {item.issuer: item for item in ca.crl_lists()}
    former = [old.certificate for old in ca.superseded_cas] if OF_CA in host.site.settings.ca.crl_url else []
    for authority in (ca.certificate, *former):
        url = crl_url(host.site, authority)
        if authority in lists and (fault := _fault_at(url, lists[authority], host)):
            cure = host.at_authority(f"{CURE_CRL} --der --to FILE, where the web server finds it")
            yield CERT026.found(url, fault, cure)


def _fault_at(url: str, ours: Listed, host: Host) -> str | None:
    """Return what is wrong with the CRL at an address, which is http by the rules of the configuration."""
    from http.client import HTTPException
    from urllib.request import urlopen

    try:
        with urlopen(url, timeout=_WAIT) as answer:  # noqa: S310
            found = read_crl(answer.read(_MOST), url, ours.issuer)
    except (OSError, HTTPException) as error:
        return f"is not there ({error})"
    except SmtpcredsError as error:
        return error.reason
    signed = read_crl(ours.content, ours.name, ours.issuer).number
    return found.fault(host.site.clock()) or (
        None
        if found.number == signed
        else f"is CRL number {found.number}, and number {signed} was signed last"
    )


def _cure(host: Host) -> str:
    return host.at_authority(CURE_CRL)


def _renewal(host: Host, path: str, crl: Crl) -> str:
    """Return the way to a new CRL of the same CA, which may be one above ours, or another's."""
    ca, now = host.ca, host.site.clock()
    chain = ca.chain if ca.is_there else ()
    is_others = chain and not any(is_crl_of(crl, one) for one in (*ca.trusted, *ca.distrusted))
    if is_others and is_of_another(path):
        bundle = f"{os.path.dirname(path)}/{BUNDLE}"
        return f"put the newest of {crl.issuer} there; or take that CA out of {bundle}, and: rm {quote(path)}"
    if above := next((one for one in chain[1:] if is_crl_of(crl, one)), None):
        return host.at_authority(cure_above(ca, above, crl.period, now))
    is_own = bool(chain) and is_crl_of(crl, ca.certificate)
    begin = ca.certificate.not_valid_before_utc if is_own else None
    return host.at_authority(cure_crl(crl.period, now, begin))


def _absent(host: Host, use: CertificateUse) -> str | None:
    if use.crl_file:
        path = host.path(use.crl_file)
        return None if os.path.exists(path) else f"names the CRL {path}, which is missing: nothing is revoked"
    if not use.crl_path:
        is_client = host.logs_in_by_sendmail and not host.relays_by_sendmail
        return None if is_client else "names no CRL, so revoked certificates are accepted"
    names = host.listing(host.path(use.crl_path))
    stems = {subject_hash(ca) for ca in host.trusted_by(use)}
    if any(name.partition(".r")[0] in stems for name in names if ".r" in name):
        return None
    return f"has CRLPath {use.crl_path}, where no hash link leads to a CRL: nothing is revoked"


def _files(host: Host) -> list[str]:
    """Return the CRL files that are configured, lie beside certificates, or with the authority."""
    named = [host.path(use.crl_file) for use in host.uses if use.crl_file]
    lying = [path for directory in host.own_places for path in crl_paths(directory)]
    return list(dict.fromkeys((*named, *lying, ca_files(host.site).crl)))


def _lists(host: Host) -> Iterator[tuple[str, Crl]]:
    for path in _files(host):
        content = host.content(path)
        first = next((block for block in blocks(content or b"") if block.label in _LABELS), None)
        if first:
            try:
                yield path, read_crl(first.text(), path, None)
            except SmtpcredsError as error:
                if first.decode() is not None:  # else CERT017
                    host.unread.append(error)


CERT019 = Code.error(
    "CERT019",
    "a CA certificate or CRL without the hash link by which it is looked up; nothing is logged",
)


def missing(host: Host) -> Iterator[Finding]:
    """Every CA certificate and CRL of ours has its link."""
    for directory in host.own_places:
        try:
            wanted = trust_directory_changes(host.ca, directory) if host.ca.is_there else trust(directory, ())
        except UnsafePathError:
            continue  # PERM says so, of the bundle or of a directory above it
        links = [link for link in wanted if isinstance(link, Link)]
        files = [item for item in wanted if not isinstance(item, Link)]
        outdated = {file.path for file in files if host.content(file.path) != file.content}
        for link in (*links, *_of_others(host, directory)):
            target = f"{directory}/{link.target}"
            if not os.path.exists(target):
                continue
            if target in outdated and host.ca.is_there:
                reason = f"is missing, and {link.target} is not what the authority has published"
                yield CERT019.found(link.path, reason, CURE_CRL)
            else:
                reason = f"{link.target} has no hash link, so it is not found in {directory}"
                yield CERT019.found(
                    link.path, reason, f"ln -sfn {quote(link.target)} {quote(link.path)}", relink(link)
                )


CERT020 = Code.warning(
    "CERT020",
    "a hash link that leads to nothing, or to a certificate or CRL with another hash",
)


def stale(host: Host) -> Iterator[Finding]:
    """Every link leads to a file of that name's hash."""
    for directory in host.own_places:
        for name in host.listing(directory):
            path = f"{directory}/{name}"
            if not is_link_name(name) or not os.path.islink(path) or not (why := _fault(host, path, name)):
                continue
            if host.ca.is_there and os.readlink(path) in {CRL, BUNDLE} and not os.path.exists(path):
                yield CERT020.found(path, why, CURE_CRL)
            else:
                yield CERT020.found(path, why, f"rm {quote(path)}", unlink(path))


def _of_others(host: Host, directory: str) -> Iterator[Link]:
    """Yield the links that lack for CA certificates in files of their own, as an administrator puts them."""
    if directory not in {host.path(use.ca_path) for use in host.uses}:
        return
    bundle = host.certificates_in(f"{directory}/{BUNDLE}")
    for name in host.listing(directory):
        path = f"{directory}/{name}"
        if os.path.islink(path) or name == BUNDLE or name.endswith(CERTIFICATE_END):
            continue
        held = host.certificates_in(path) if name.endswith((".pem", ".crt")) else ()
        if len(held) == 1 and authority_of(held[0])[0] and held[0] not in bundle:
            yield from _unlinked(host, directory, name, held[0])


def _unlinked(host: Host, directory: str, name: str, authority: Certificate) -> Iterator[Link]:
    stem = subject_hash(authority)
    for number in range(10):
        path = f"{directory}/{stem}.{number}"
        if authority in host.certificates_in(path):
            return
        if not os.path.lexists(path):
            yield Link(path, name)
            return


def _fault(host: Host, path: str, name: str) -> str | None:
    if not os.path.exists(path):
        return f"leads to {os.readlink(path)}, which is not there"
    stem = name.partition(".")[0]
    if ".r" in name:
        hashes = list(_crl_hashes(path))  # none where CERT017 says why
        is_right = stem in hashes or not hashes
        return None if is_right else f"leads to {os.readlink(path)}, which is of another name"
    held = {subject_hash(certificate) for certificate in host.certificates_in(path)}
    return None if stem in held else f"leads to {os.readlink(path)}, which holds nothing of that name"


def _crl_hashes(path: str) -> Iterator[str]:
    """Yield the hash of each CRL that can be read; OpenSSL reads all of a file that a link leads to."""
    for block in blocks(read_public(path)):
        try:
            yield issuer_hash(read_crl(block.text(), path, None).parsed)
        except DataError:
            continue


def crls_in(directory: str) -> Iterator[tuple[str, Crl]]:
    """Yield the CRLs of a directory that can be read."""
    for path in crl_paths(directory):
        try:
            yield path, read_crl(read_public(path), path, None)
        except UNUSABLE:
            continue  # CERT017
