"""The answer of another CA, checked against the key that waits for it before anything is written."""

import os
from collections.abc import Iterable, Sequence

from ..config import Site
from ..errors import DataError, ExistsError, MissingInputError, NameRefusedError, SmtpcredsError
from ..files import check_target, exists, is_directory, names_in, read_private, read_public, write_all
from ..inventory.inventory import Inventory
from ..inventory.rows import CertificateRow as Row
from ..inventory.rows import State, serial_text
from ..lazy import dataclass
from ..model import Artifact, Link
from ..pki.chains import ChainError, climb, is_self_signed, verify_chain
from ..pki.describe import fingerprint, purposes_of
from ..pki.encoding import encode_der, parse_certificates
from ..pki.keys import PrivateKey, decode_key, encode_key, key_label, public_id
from ..pki.names import names_of
from ..pki.pair_rules import certificate_of
from ..pki.profiles import CLIENT, SERVER, Profile
from ..pki.values import Certificate
from ..shell import quote
from ..transaction import Transaction
from .authority import CA
from .directory import bundled, check, prepare, trust, trust_changes
from .issue import new_key_warning
from .layout import Pair, pair_of
from .pair import key_id, put_in_place
from .state import ensure_external_authority

_ONE_ROLE = {profile.purposes: profile for profile in (SERVER, CLIENT)}
_KEY_ENDS = ("-key.pem", "-key.pem.new")


@dataclass(frozen=True)
class Sources:
    """The files of an answer, absolute, and what it is for.

    Attributes:
        answer: holds the certificate, perhaps with those above it.
        profile: the roles in which the host will use it.
        host: whose it is; None finds that out by the key.
        directory: where the key lies; None is the mail server's certificate directory.
        more: files with more CA certificates; their roots are trusted, as those of the answer are.
        key: file with the private key, which another program made; None is one that is here.
    """

    answer: str
    profile: Profile
    host: str | None = None
    directory: str | None = None
    more: tuple[str, ...] = ()
    key: str | None = None


@dataclass(frozen=True)
class Answer:
    """A certificate that fits a key which is here.

    Attributes:
        host: qualified name.
        pair: where its key lies or waits.
        above: the CA certificates from its issuer to the root.
    """

    host: str
    pair: Pair
    certificate: Certificate
    above: tuple[Certificate, ...]


def read_answer(site: Site, ca: CA, sources: Sources) -> Answer:
    """Read and check an answer; roots of our own authority are trusted too."""
    held = _read(sources.answer)
    pair, certificate = _brought(site, sources, held) if sources.key else _matched(site, sources, held)
    host = site.qualify(sources.host or os.path.basename(pair.stem))
    _verify_roles(sources, certificate, host)
    others = [one for path in sources.more for one in _read(path)]
    own = ca.chain if ca.is_there else ()
    pool = [one for one in (*own, *bundled(pair.directory), *others, *held) if one != certificate]
    try:
        path = verify_chain(certificate, (), pool, site.clock(), sources.profile.purposes, host)
    except ChainError as error:
        raise DataError(sources.answer, error.reason, _way_up(site, certificate, pool)) from None
    return Answer(host, pair, certificate, path[1:])


def _read(path: str) -> tuple[Certificate, ...]:
    return parse_certificates(read_public(path), path).certificates


def _matched(site: Site, sources: Sources, held: Iterable[Certificate]) -> tuple[Pair, Certificate]:
    keys = _named_key(site, sources) if sources.host else _keys_in(sources.directory or site.certificates)
    for certificate in held:
        if pair := keys.get(public_id(certificate)):
            return pair, certificate
    where = (
        f"the key of {sources.host}"
        if sources.host
        else f"any key in {sources.directory or site.certificates}"
    )
    hint = "it answers another request; to make one here: smtpcreds cert request HOST"
    raise DataError(sources.answer, f"does not belong to {where}", hint)


def _brought(site: Site, sources: Sources, held: Sequence[Certificate]) -> tuple[Pair, Certificate]:
    """Return the certificate of a key that comes along, and where both go: to the hub if it is for that."""
    path = sources.key or ""
    key = read_key(path)
    certificate = certificate_of(key, held, path, sources.answer)
    names = names_of(certificate).dns_names
    host = sources.host or (site.hub if site.hub in names else next(iter(names), None))
    if host is None or host.startswith("*."):
        raise NameRefusedError(sources.answer, "names no single host", "say whose it is: --host HOST")
    pair = pair_of(site, site.qualify(host), sources.directory)
    if exists(pair.next_key) and key_id(pair.next_key) != public_id(key):
        reason = "is a key that waits for its certificate, and would be lost"
        raise ExistsError(pair.next_key, reason, "install its answer first, or move it away")
    return pair, certificate


def read_key(path: str) -> PrivateKey:
    """Return a private key that another program keeps; certbot's file is a symbolic link."""
    return decode_key(read_private(os.path.realpath(path)), None, path)


def _named_key(site: Site, sources: Sources) -> dict[str, Pair]:
    host = site.qualify(sources.host or "")
    pair = pair_of(site, host, sources.directory)
    paths = [path for path in (pair.key, pair.next_key) if exists(path)]
    if not paths:
        raise MissingInputError(
            pair.key, "there is no key to install it with", f"smtpcreds cert request {quote(host)}"
        )
    return {public_id(decode_key(read_private(path), None, path)): pair for path in paths}


def _keys_in(directory: str) -> dict[str, Pair]:
    """Return every key of a directory that can be used, by the SHA-256 of its public key."""
    names = sorted(names_in(directory)) if is_directory(directory) else []
    paths = [(f"{directory}/{name}", end) for name in names for end in _KEY_ENDS if name.endswith(end)]
    return {found: Pair(path.removesuffix(end)) for path, end in paths if (found := key_id(path))}


def _verify_roles(sources: Sources, certificate: Certificate, host: str) -> None:
    """Say more than a verifier does: public CAs give up clientAuth, without which relays trust no client."""
    allowed = purposes_of(certificate)
    missing = [purpose for purpose in sources.profile.purposes if purpose not in allowed]
    if not missing:
        return
    hint = None
    if left := _ONE_ROLE.get(allowed):
        other = CLIENT if left is SERVER else SERVER
        more = f"smtpcreds cert issue {quote(host)} --{other.name} --to DIR"
        hint = f"install it as --{left.name}; for the other: {more}"
    roles = " and ".join(f"TLS {purpose.value}s" for purpose in missing)
    raise DataError(sources.answer, f"is not for {roles} (extendedKeyUsage)", hint)


def _way_up(site: Site, certificate: Certificate, pool: Iterable[Certificate]) -> str | None:
    if is_self_signed(climb(certificate, pool)[-1]):
        return None
    public = site.system.ca_bundle
    return f"give the certificates above it with --chain FILE or --ca FILE (public CAs: {public})"


# Installing the answer of another CA: its certificate joins the key that waited, its CAs the bundle.


@dataclass(frozen=True)
class Installed:
    """An answer that is in place; ``added`` are the CA certificates that are new in the bundle."""

    answer: Answer
    added: tuple[Certificate, ...]


def install_answer(work: Transaction, sources: Sources) -> Installed:
    """Install an answer of another CA, once it is checked."""
    check(sources.directory or work.site.certificates)
    answer = read_answer(work.site, work.ca, sources)
    check(answer.pair.directory)
    check_target(answer.pair.certificate)
    there = bundled(answer.pair.directory)
    added = tuple(ca for ca in answer.above if ca not in there)
    _refuse_revoked(work.begin(), answer, sources.answer)
    _take_key(work, answer, sources.key)
    for ca in added:
        work.note("trust", ca.subject.rfc4514_string())
    install(work, answer, sources.profile, _around(work.ca, answer), "cert install")
    return Installed(answer, added)


def _take_key(work: Transaction, answer: Answer, path: str | None) -> None:
    """Let a key that comes along wait for its certificate, unless it is in place already."""
    if path and key_id(answer.pair.key) != public_id(answer.certificate):
        if exists(answer.pair.key):
            work.warn(new_key_warning(answer.host, "certbot renew --reuse-key"))
        prepare(work.site, answer.pair.directory)
        key = read_key(path)
        write_all([Artifact(answer.pair.next_key, encode_key(key), note=f"{key_label(key)} key of {path}")])


def install(
    work: Transaction, answer: Answer, profile: Profile, around: Sequence[Artifact | Link], verb: str
) -> None:
    """Put a certificate that was checked beside its key, and record it.

    Args:
        work: where.
        answer: its key is in place or waits.
        profile: the roles in which the host will use it.
        around: what is to stand beside the pair.
        verb: for the record.
    """
    inventory = work.inventory
    before = _known(inventory, answer)
    row = _recorded(work, answer, profile)
    try:
        prepare(work.site, answer.pair.directory)
        write_all(around)
        put_in_place(answer.pair, answer.certificate, answer.above)
    except SmtpcredsError:
        _withdraw(inventory, row, before)
        raise
    with inventory.transaction():
        inventory.issued(row.authority, [row.serial])
        work.record(verb, answer.host, f"serial {row.serial}")


def _known(inventory: Inventory, answer: Answer) -> Row | None:
    return next(iter(inventory.find(fingerprint(answer.certificate))), None)


def _refuse_revoked(inventory: Inventory, answer: Answer, subject: str) -> None:
    row = _known(inventory, answer)
    if row and row.state is State.REVOKED:
        raise DataError(subject, "is revoked", f"smtpcreds cert request {quote(answer.host)} --new-key")


def _withdraw(inventory: Inventory, row: Row, before: Row | None) -> None:
    """Leave the inventory as it was before an installation that failed."""
    if before is None or before.state is not State.ISSUED:
        inventory.discard(row.authority, row.serial, "could not be installed")
        return
    with inventory.transaction():
        inventory.place(before.authority, before.serial, before.directory)
        inventory.issued(before.authority, [before.serial])


def _recorded(work: Transaction, answer: Answer, profile: Profile) -> Row:
    """Record that the certificate is about to be installed; one that is known already is moved."""
    site, inventory = work.site, work.inventory
    own = work.ca.chain if work.ca.is_there else ()
    with inventory.transaction():
        for ca in answer.above:
            if ca not in own:
                ensure_external_authority(site, inventory, ca)
        row = _row(site, answer, profile, ensure_external_authority(site, inventory, answer.above[0]).id)
        inventory.adopt([(row, encode_der(answer.certificate))])
        inventory.place(row.authority, row.serial, row.directory)
    return row


def _row(site: Site, answer: Answer, profile: Profile, authority: int) -> Row:
    certificate = answer.certificate
    names = names_of(certificate)
    return Row(
        authority=authority,
        serial=serial_text(certificate.serial_number),
        host=answer.host,
        profile=profile.name,
        names=(*names.dns_names, *map(str, names.addresses)),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        created=site.clock(),
        directory=site.root.record(answer.pair.stem),
        state=State.PENDING,
        key_id=public_id(certificate),
    )


def _around(ca: CA, answer: Answer) -> list[Artifact | Link]:
    directory = answer.pair.directory
    if not ca.is_there:
        return trust(directory, answer.above)
    return trust_changes(directory, (*ca.trusted, *answer.above), ca.crl_lists())
