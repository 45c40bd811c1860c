"""Issuing: which hosts get a certificate with a new key, and which are refused before anything happens."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field, replace
from datetime import timedelta
from ipaddress import ip_address

from ..config import Site
from ..errors import DataError, NameRefusedError, SmtpcredsError, UsageError, WriteError, number_of
from ..files import exists, read_private, read_public, remove, write_all
from ..inventory.rows import Intent, Signed, serial_text
from ..jobs import Piece, processes, shared
from ..lazy import dataclass
from ..model import Artifact, Link
from ..names import is_qualified
from ..pki.encoding import decode_der, encode_der
from ..pki.issue import new_serial, sign
from ..pki.keys import (
    KeyType,
    PrivateKey,
    RemoteKey,
    encode_key,
    generate,
    parse_key_type,
    public_id,
    remote_uri,
)
from ..pki.names import Address, Names, constraints_of, refusal
from ..pki.profiles import RELAY, Profile, parse_profile
from ..pki.values import Certificate, Issuer, Request, Validity, validity
from ..progress import counted
from ..shell import quote
from ..transaction import Transaction
from .directory import certificate_file, prepare
from .layout import Pair, lifetime_of, pair_of
from .pair import PreviousPair, refuse_existing_pair
from .publish import Published, keep_fresh, refresh_superseded_crls
from .reload import Hook, UncommittedRenewal, reload_or_restore, settle

# What ``cert issue`` is asked for, checked before anything else happens.


@dataclass(frozen=True)
class CertificateRequest:
    """One certificate that is wanted."""

    host: str
    profile: Profile
    dns_names: tuple[str, ...]
    addresses: tuple[Address, ...]
    lifetime: timedelta
    key_type: KeyType
    pair: Pair

    @property
    def names(self) -> tuple[str, ...]:
        """Every name and address of the certificate, as text, the host first."""
        return tuple(dict.fromkeys((self.host, *self.dns_names, *map(str, self.addresses))))


@dataclass(frozen=True)
class CertificateOptions:
    """What the options say of every host of one run; None means the default.

    Attributes:
        profile: its name.
        alternatives: more names and IP addresses, wildcards allowed.
        days: lifetime; the end of the authority may shorten it.
        key_type: name of the new key's type.
        directory: absolute, instead of the mail server's certificate directory.
    """

    profile: str = RELAY.name
    alternatives: tuple[str, ...] = ()
    days: int | None = None
    key_type: str | None = None
    directory: str | None = None


def orders(
    site: Site, hosts: Iterable[str], listing: str | None, render_options: CertificateOptions
) -> list[CertificateRequest]:
    """Return the orders for the hosts named, and for those of a list file."""
    found = [order(site, host, render_options) for host in hosts]
    if listing:
        found += _listed(site, listing, render_options)
    if not found:
        raise UsageError("cert issue", "names no host", "smtpcreds cert issue HOST")
    return found


def order(site: Site, host: str, render_options: CertificateOptions) -> CertificateRequest:
    """Complete and check one order."""
    name = site.qualify(host)
    if not is_qualified(name):
        site.warn(
            f"{name}: has no domain, but mail servers check full names; set domain in {site.settings_path}"
        )
    names, addresses = _alternatives(site, render_options.alternatives)
    days = site.settings.cert.days if render_options.days is None else render_options.days
    kind = parse_key_type(render_options.key_type or site.settings.cert.key_type)
    place = pair_of(site, name, render_options.directory)
    return CertificateRequest(
        name, parse_profile(render_options.profile), names, addresses, lifetime_of(days), kind, place
    )


def _listed(site: Site, path: str, render_options: CertificateOptions) -> Iterator[CertificateRequest]:
    """Yield an order for each line ``host[,names[,profile[,days]]]``; names are parted by spaces."""
    from csv import reader

    text = read_public(path).decode(errors="replace").removeprefix("\ufeff")
    for number, row in enumerate(reader(text.splitlines()), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#") or (number == 1 and cells[0].lower() == "host"):
            continue
        try:
            yield order(site, cells[0], _line_wishes(cells, render_options))
        except SmtpcredsError as error:
            raise DataError(f"{path}: line {number}", str(error), error.hint) from None


def _line_wishes(cells: list[str], render_options: CertificateOptions) -> CertificateOptions:
    _, names, profile, days, *more = [*cells, "", "", ""]
    if any(more):
        raise UsageError(cells[0], "has more than four fields: host,names,profile,days")
    if days and not days.isdecimal():
        raise UsageError(days, "is not a number of days")
    return replace(
        render_options,
        alternatives=(*render_options.alternatives, *names.split()),
        profile=profile or render_options.profile,
        days=int(days) if days else render_options.days,
    )


def alternatives(site: Site, texts: Iterable[str]) -> tuple[str, ...]:
    """Return host names and addresses as a certificate has them."""
    names, addresses = _alternatives(site, texts)
    return (*names, *map(str, addresses))


def _alternatives(site: Site, texts: Iterable[str]) -> tuple[tuple[str, ...], tuple[Address, ...]]:
    names: list[str] = []
    addresses: list[Address] = []
    for text in texts:
        address = _address(text)
        if address is None:
            names.append(site.qualify(text, wildcard=True))
        else:
            addresses.append(address)
    return tuple(names), tuple(addresses)


def _address(text: str) -> Address | None:
    try:
        address = ip_address(text.strip("[]"))
    except ValueError:
        return None
    if address.is_unspecified or address.is_multicast:
        raise NameRefusedError(text, "is not an address of one host")
    return address


# One batch of certificates: the intention is recorded, then files are written, then the outcome.
#
# Everything is in place before the mail server is told; if it can't be told, the former pairs come back.


@dataclass(frozen=True)
class Issued:
    """A certificate that is in place; ``shortened`` to the end of the authority."""

    order: CertificateRequest
    certificate: Certificate
    shortened: bool

    @property
    def serial(self) -> str:
        """The serial number as the inventory has it: lower-case hex."""
        return serial_text(self.certificate.serial_number)


@dataclass(frozen=True)
class Refused:
    """A host that got no certificate; nothing of it was changed."""

    host: str
    error: SmtpcredsError


Outcome = Issued | Refused


@dataclass(frozen=True)
class Draft:
    """A certificate that is about to be signed.

    Attributes:
        order: what is wanted.
        key: the host's that is kept, or waited; None is a new one, made when it is signed.
        serial: never used before.
        validity: of the certificate.
        previous: what a renewal replaces.
        keeps_key: the key is in place already.
        waited: the key waited beside the pair, and waits no more once all is in place.
    """

    order: CertificateRequest
    key: PrivateKey | None = field(repr=False)
    serial: int
    validity: Validity
    previous: PreviousPair | None = None
    keeps_key: bool = False
    waited: bool = False

    @property
    def serial_text(self) -> str:
        """The serial number as the inventory has it."""
        return serial_text(self.serial)

    def made(self, issuer: Issuer) -> "Made":
        """Return the certificate, and its key's file."""
        order, key = self.order, self.key or generate(self.order.key_type)
        request = Request(order.host, key.public_key(), order.dns_names, order.addresses)
        certificate = sign(request, order.profile, issuer, self.serial, self.validity)
        return Made(certificate, public_id(key), b"" if self.keeps_key else encode_key(key))

    def artifacts(self, made: "Made", chain: Iterable[Certificate]) -> list[Artifact]:
        """Return the files to be written, in their order."""
        pair = self.order.pair
        kept = self.previous.copies() if self.previous else []
        key = [] if self.keeps_key else [Artifact(pair.key, made.key)]
        content = certificate_file(made.certificate, chain)
        return [*kept, *key, Artifact(pair.certificate, content, note=self._note())]

    def _note(self) -> str:
        new = f"new {self.order.key_type.label} key"
        key = "next key" if self.waited else "same key" if self.keeps_key else new
        days = round(self.order.lifetime / timedelta(days=1))
        return f"{self.order.host}: {self.order.profile.label}, {key}, {number_of(days, 'day')}"


@dataclass(frozen=True)
class Made:
    """What was signed: the certificate, its key's SHA-256 in hex, and the key as PEM, empty if it is kept."""

    certificate: Certificate
    key_id: str
    key: bytes = field(repr=False)


Pairs = Sequence[tuple[Draft, Made]]


def carry_out(
    work: Transaction,
    issuer: Issuer,
    drafts: Sequence[Draft],
    verb: str,
    *,
    hook: Hook | None = None,
    changed: bool = False,
    jobs: int | None = None,
) -> tuple[list[Outcome], Published | None]:
    """Sign and install the drafts; return what became of each, and the CRL if a new one was due.

    Args:
        work: where.
        issuer: who signs.
        drafts: may be empty; then only the CRL is looked after.
        verb: for the record.
        hook: run when all is in place, and only if anything changed.
        changed: something else did already.
        jobs: how many processes make keys and sign; None leaves it to the number of drafts.
    """
    authority = work.row(issuer.certificate).id
    work.inventory.intend(_intent(work, authority, draft) for draft in drafts)
    try:
        pairs, refused = _sign(work, issuer, drafts, jobs)
        crl = keep_fresh(work, issuer)
        _install(work, issuer, pairs)
        if hook and (pairs or crl or changed):
            reload_or_restore(work, issuer, hook, _unproven(pairs))
    except SmtpcredsError:
        work.recover()
        raise
    for draft, _ in pairs:
        if draft.waited:
            remove(draft.order.pair.next_key)
    _record(work, issuer, pairs, verb)
    if hook:
        settle(work)
    issued = [Issued(draft.order, made.certificate, draft.validity.shortened) for draft, made in pairs]
    return [*issued, *refused], crl


def _sign(
    work: Transaction, issuer: Issuer, drafts: Sequence[Draft], jobs: int | None
) -> tuple[Pairs, list[Refused]]:
    """Sign each draft; one that breaks a rule is given up without harm to the others.

    A preview signs the first of a batch, whose certificate stands for the others.
    """
    authority = work.row(issuer.certificate).id
    pairs: list[tuple[Draft, Made]] = []
    refused: list[Refused] = []
    is_alone = work.is_preview or isinstance(issuer.key, RemoteKey)  # a token's session is one process's own
    sent = shared(
        len(drafts),
        lambda number: _packed(drafts[number].made(issuer)),
        1 if is_alone else processes(len(drafts), jobs),
    )
    for draft, piece in zip(counted(drafts, len(drafts)), sent, strict=True):
        try:
            made = pairs[0][1] if work.is_preview and pairs else _unpacked(piece) or draft.made(issuer)
        except SmtpcredsError as error:
            work.inventory.discard(authority, draft.serial_text, str(error))
            refused.append(Refused(draft.order.host, error))
        else:
            pairs.append((draft, made))
    work.inventory.signed(authority, [_signed(*pair) for pair in pairs])
    return pairs, refused


def _packed(made: Made) -> Piece:
    return encode_der(made.certificate), made.key_id, made.key


def _unpacked(piece: Piece) -> Made | None:
    match piece:
        case (bytes(der), str(key_id), bytes(key)):
            return Made(decode_der(der), key_id, key)
    return None


def _install(work: Transaction, issuer: Issuer, pairs: Pairs) -> None:
    if not pairs:
        return
    artifacts: list[Artifact | Link] = []
    for directory in dict.fromkeys(draft.order.pair.directory for draft, _ in pairs):
        prepare(work.site, directory)
        artifacts += work.beside(directory)
    for draft, made in pairs:
        artifacts += draft.artifacts(made, issuer.path)
    write_all(artifacts)
    work.published()


def _unproven(pairs: Pairs) -> list[UncommittedRenewal]:
    renewed = ((draft, draft.previous) for draft, _ in pairs)
    return [
        UncommittedRenewal(draft.order.host, draft.serial_text, previous)
        for draft, previous in renewed
        if previous
    ]


def _record(work: Transaction, issuer: Issuer, pairs: Pairs, verb: str) -> None:
    try:
        with work.inventory.transaction():
            work.inventory.issued(work.row(issuer.certificate).id, [draft.serial_text for draft, _ in pairs])
            deeds = [(draft.order.host, f"serial {draft.serial_text}") for draft, _ in pairs]
            work.record_all(verb, deeds)
    except WriteError as error:  # no room even for this; recovery settles it from what is on disk
        reason = "the certificates are in place, but there was no room to record it; the next command does"
        raise WriteError(error.subject, reason, error.hint) from error


def _intent(work: Transaction, authority: int, draft: Draft) -> Intent:
    order, span = draft.order, draft.validity
    return Intent(
        authority,
        draft.serial_text,
        order.host,
        order.profile.name,
        order.names,
        span.not_before,
        span.not_after,
        work.now,
        work.site.root.record(order.pair.stem),
    )


def _signed(draft: Draft, made: Made) -> Signed:
    is_its_own = made.certificate.serial_number == draft.serial
    der = encode_der(made.certificate) + (b"" if is_its_own else draft.serial_text.encode())
    return Signed(draft.serial_text, made.key_id, der)


def issue(
    work: Transaction,
    orders: Sequence[CertificateRequest],
    *,
    force: bool = False,
    jobs: int | None = None,
) -> list[Outcome]:
    """Issue certificates with new keys; each order is carried out whole or not at all.

    Args:
        work: whose authority signs.
        orders: what is wanted.
        force: replace valid pairs and half pairs.
        jobs: how many processes make keys and sign; None leaves it to the number of orders.
    """
    verify_jobs(work, jobs)
    accepted, refused = _sorted_out(work, orders, force=force)
    if len(orders) == 1 and refused:
        raise refused[0].error
    for one in refused:
        work.note("leave", one.host, str(one.error))
    for order in accepted:
        if exists(order.pair.key):
            is_live = work.inventory.current(order.host, work.now)
            work.warn(
                new_key_warning(order.host, f"smtpcreds cert renew {quote(order.host)}" if is_live else "")
            )
    issuer = work.issuer()
    refresh_superseded_crls(work)
    drafts = [_draft(work, order, issuer) for order in accepted]
    done, _ = carry_out(work, issuer, drafts, "cert issue", jobs=jobs)
    return _in_order(orders, [*done, *refused])


def verify_jobs(work: Transaction, jobs: int | None) -> None:
    """Refuse a number of processes that is none, and several where the key is in a token."""
    if jobs is None:
        return
    if jobs < 1:
        raise UsageError(f"--jobs {jobs}", "is not a number of processes; the least is 1")
    path = work.ca.files.key
    if jobs > 1 and remote_uri(read_private(path), path):
        raise UsageError(
            f"--jobs {jobs}", "the authority's key is in a token, which one process uses", "--jobs 1"
        )


def new_key_warning(host: str, keeps: str) -> str:
    """Return what is said where a key takes the place of one that others may know by its digest.

    Args:
        host: whose key.
        keeps: the command that would have kept it; empty where none can, as after a revocation.
    """
    known = "TLSA records and pinned keys of the old one no longer match"
    return f"{host}: its public key changes, and {known}" + (f"; to keep a key: {keeps}" if keeps else "")


def verify_permitted(order: CertificateRequest, chain: Iterable[Certificate]) -> None:
    """Check the names of an order against the name constraints of the authorities."""
    constraints = [found for ca in chain if (found := constraints_of(ca))]
    if fault := refusal(constraints, Names((order.host, *order.dns_names))):
        raise NameRefusedError(order.host, fault, "choose another name, or see: smtpcreds ca rollover --help")
    if order.addresses and (fault := refusal(constraints, Names((), order.addresses))):
        hint = "leave the address out, or make an authority that may: smtpcreds ca rollover --addresses"
        raise NameRefusedError(order.host, fault, hint)


def _in_order(orders: Iterable[CertificateRequest], outcomes: Iterable[Outcome]) -> list[Outcome]:
    hosts = {host: place for place, host in enumerate(dict.fromkeys(order.host for order in orders))}
    return sorted(outcomes, key=lambda outcome: hosts[_host(outcome)])


def _host(outcome: Outcome) -> str:
    return outcome.order.host if isinstance(outcome, Issued) else outcome.host


def _sorted_out(
    work: Transaction, orders: Sequence[CertificateRequest], *, force: bool
) -> tuple[list[CertificateRequest], list[Refused]]:
    chain = work.ca.chain
    for directory in {order.pair.directory for order in orders}:
        work.beside(directory)
    accepted: dict[str, CertificateRequest] = {}
    refused: list[Refused] = []
    for order in orders:
        try:
            if order.host in accepted:
                raise UsageError(order.host, "is named twice")
            verify_permitted(order, chain)
            if not force:
                refuse_existing_pair(order.pair, order.host, work.now, work.known_inventory)
        except SmtpcredsError as error:
            refused.append(Refused(order.host, error))
        else:
            accepted[order.host] = order
    return list(accepted.values()), refused


def _draft(work: Transaction, order: CertificateRequest, issuer: Issuer) -> Draft:
    return Draft(order, None, new_serial(), validity(work.now, order.lifetime, issuer))
