"""A bundle: the certificate if one is needed, the archive, the record of who got it."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime

from ..accounts.database import AccountDatabase, database_of
from ..ca.crl import revoking_authorities
from ..ca.directory import trust_directory_content
from ..ca.issue import CertificateRequest, verify_permitted
from ..ca.layout import ALL_CRLS, BUNDLE, CRL, cure_crl, verify_target
from ..ca.publish import refresh_superseded_crls
from ..ca.requests import Csr, SignedCsr, sign_csr, verify_petition
from ..config import Site
from ..deploy.delivery import Handover, record_handover
from ..deploy.facts import gather, wanted_mechanisms
from ..deploy.hubs import applied_hubs, configured_hubs
from ..deploy.last_bundle import lasting
from ..deploy.options import RenderOptions, in_force
from ..deploy.unused import refuse_untold
from ..errors import DataError, UsageError
from ..files import check_parents, disk, sweep_target, write_all
from ..inventory.rotations import RotationState
from ..lazy import dataclass
from ..model import Artifact, Link
from ..mta import msmtp, placed
from ..mta.program import Facts, Material, Need, Program
from ..mta.programs import PROGRAMS
from ..mta.sasl_conf import DEFAULT, GSSAPI, KEYTAB
from ..names import PLAINTEXT
from ..passwords import generate as generate_secret
from ..pki.crl import read_crl
from ..pki.describe import fingerprint
from ..pki.keys import PrivateKey, generate
from ..pki.values import Certificate, Request
from ..secret import Secret
from ..shell import quote
from ..transaction import Transaction
from . import archive
from .archive import README, SETTINGS, Label, Member, pack
from .client_files import fetching, how_it_fetches
from .contents import (
    DELETE,
    CertificateOptions,
    Credentials,
    CredentialSource,
    KeySource,
    choose,
    existing_credentials,
    members,
    readme,
    render_settings,
    signed_credentials,
)

# Where a bundle goes: a closed file, or an open descriptor; encrypted on the way, or not.


@dataclass(frozen=True)
class Encryption:
    """How an archive is encrypted: under a passphrase, for keys, or not at all.

    Attributes:
        passphrase: the question for it.
        recipients: public keys of age or SSH.
    """

    passphrase: Callable[[], Secret] | None = None
    recipients: tuple[str, ...] = ()

    def prepare(self, work: Transaction) -> None:
        """Ask for the passphrase."""
        if self.passphrase:
            archive.check_passphrase(work.ask(self.passphrase))

    def close(self, work: Transaction, data: bytes) -> bytes:
        """Return the archive as it is handed over; a preview spares itself the second that scrypt takes."""
        if work.is_preview:
            return data
        if self.passphrase:
            return archive.encrypt_by_passphrase(data, work.ask(self.passphrase))
        return archive.encrypt_to(data, self.recipients) if self.recipients else data


@dataclass(frozen=True)
class Delivery:
    """Where the archive goes.

    Attributes:
        encryption: how it is encrypted.
        path: absolute, of a file; None is standard output.
        force: replace that file.
        write: hands the archive to standard output.
    """

    encryption: Encryption
    path: str | None = None
    force: bool = False
    write: Callable[[bytes], object] | None = None

    def tidy(self) -> None:
        """Remove what a killed run left beside the file, before anything is refused."""
        if self.path:
            sweep_target(self.path)

    def prepare(self, work: Transaction) -> None:
        """Refuse what can be refused, and ask for secrets, before the first change."""
        if self.path:
            verify_target(self.path, force=self.force)
            check_parents(self.path)
        self.encryption.prepare(work)

    def deliver(self, work: Transaction, data: bytes, note: str) -> None:
        """Encrypt and write the archive: a file of mode 0600, whole or not at all."""
        closed = self.encryption.close(work, data)
        if self.path:
            write_all([Artifact(self.path, closed, note=note)])
            return
        disk().note("write", "standard output", note=note)
        if self.write and not work.is_preview:
            self.write(closed)


LATER = Material(Secret(b"\n"), b"\n", b"\n", b"\n")
"""Stands for what is not signed yet, while it is checked what a program can be told."""


@dataclass(frozen=True)
class BundleRequest:
    """A bundle that is asked for.

    Attributes:
        order: the host, and the certificate that it gets if one is issued.
        program: its mail program.
        render_options: of the program's files.
        terms: of the certificate.
        asked_csr: of the host's own key; None where there is none.
        own_account: the account is the host's own, and is made if it is not there.
        login: on the hub, of a host that fetches its bundles; empty for one that does not.
        days: lifetime that ``order`` was asked for with; None for the configured one.
        given: those of the options that are of this run, and not of the last bundle; None for all.
        lasting: the options that hold for the next bundle, too, as they are typed.
    """

    order: CertificateRequest
    program: Program
    render_options: RenderOptions
    terms: CertificateOptions
    asked_csr: Csr | None = None
    login: str = ""
    own_account: bool = False
    days: int | None = None
    given: RenderOptions | None = None
    lasting: str = ""


@dataclass(frozen=True)
class Bundled:
    """A bundle that is on its way.

    Attributes:
        credentials: of the host.
        origin: where they came from.
        previous: serial number of the certificate that the host has and no longer needs; empty if there is
            none, or none that can be revoked.
        facts: what its program was told.
        paths: of all members.
        crl_end: when the CRL in it has to be replaced; None where there is none in it.
        fingerprint: SHA-256 of the root of the authority, hex.
        options: that hold for the next bundle, too, as they are typed.
    """

    credentials: Credentials
    origin: KeySource
    previous: str
    facts: Facts = field(repr=False)
    paths: tuple[str, ...]
    crl_end: datetime | None
    fingerprint: str = ""
    options: str = ""


def make_bundle(work: Transaction, wanted: BundleRequest, delivery: Delivery) -> Bundled:
    """Make a bundle, with a new certificate if one is needed, deliver it, and record who got it."""
    site, chain = work.site, work.ca.chain
    delivery.tidy()
    program, options = wanted.program, wanted.render_options
    refuse_untold(program, wanted.given or options, options.over(site.settings.mta, program.VARIANTS))
    wanted = replace(wanted, render_options=offered(work, wanted), lasting=lasting(options))
    choice = choose(site, work.known_inventory, wanted.order.host, wanted.terms)
    _verify_key(wanted, choice)
    _verify_permitted(wanted, choice, chain)
    if wanted.own_account:
        ensure_account(work, wanted)
    facts = gather(site, wanted.program, wanted.render_options, LATER, ask=work.ask)
    _warn_of_rotation(work, facts)
    placed.render(wanted.program, facts)
    render_settings(site, wanted.program, facts, wanted.render_options)
    delivery.prepare(work)
    make = _signed if choice.is_signed else _copied
    return make(work, wanted, choice, facts, delivery)


def ensure_account(work: Transaction, wanted: BundleRequest) -> None:
    """Make the host's own account where there is none; others must not have it."""
    accounts = work.accounts()
    account = accounts.existing(wanted.render_options.account or "")
    if account not in accounts:
        accounts.add(account, generate_secret)


def offered(work: Transaction, wanted: BundleRequest) -> RenderOptions:
    """Return the options of the program, with what the hub offers of what it would try.

    Nobody is told by each bundle that a host fetches by itself that what the hub offers is not known.

    Raises:
        UsageError: the hub offers neither.
    """
    program, options = wanted.program, wanted.render_options
    hubs = applied_hubs(work.site) or configured_hubs(work.site)
    asked = options.over(work.site.settings.mta, program.VARIANTS)
    if asked.mechanisms:
        return options
    if not hubs:
        if not wanted.login:
            _warn_of_unknown(work, asked)
        return options
    if all(set(mechanisms) <= {GSSAPI} for mechanisms in hubs.values()):
        raise _takes_tickets_only(work, program, next(iter(hubs)))
    there = {name for names in hubs.values() for name in names}
    if not there & set(program.MECHANISMS):
        reason = f"logs in by {_alternatives(program.MECHANISMS)} only, which this hub does not offer"
        raise UsageError(program.NAME, reason, f"{_allowing(hubs)}    (inside TLS only); then this again")
    if set(program.MECHANISMS) <= set(PLAINTEXT):
        return replace(options, plaintext=True)
    found = _narrowed(program, options, asked, there)
    _warn_of_scram(work, program, found, hubs)
    return found


def _alternatives(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} or {last}"


def _allowing(hubs: Iterable[str]) -> str:
    """Return how a hub comes to offer PLAIN and LOGIN; where Dovecot checks accounts, it has to, too."""
    return " && ".join(f"smtpcreds mta apply {hub} --plaintext --edit --run" for hub in hubs)


def _warn_of_unknown(work: Transaction, asked: RenderOptions) -> None:
    hub = asked.hub or work.site.hub
    work.warn(f"what {hub} offers is not known here; to see it: smtpcreds probe smtp://{hub}:{asked.port}")


def _takes_tickets_only(work: Transaction, program: Program, hub: str) -> UsageError:
    keytab = in_force(work.site, PROGRAMS[hub], RenderOptions()).keytab or KEYTAB
    both = " ".join((*(f"--mechanism {name}" for name in DEFAULT), "--keytab", quote(keytab)))
    known = _alternatives(program.MECHANISMS)
    reason = f"logs in by {known}, and this hub takes nothing but Kerberos tickets"
    return UsageError(program.NAME, reason, f"smtpcreds mta apply {hub} {both} --edit --run; then this again")


def _narrowed(
    program: Program, options: RenderOptions, asked: RenderOptions, there: Collection[str]
) -> RenderOptions:
    """Return the options with what both sides know, where the program would try what no hub offers."""
    wanted = wanted_mechanisms(asked, is_hub=False)
    first = next((name for name in program.MECHANISMS if name in wanted), None)
    usable = [name for name in program.MECHANISMS if name in there and name in {*wanted, *PLAINTEXT}]
    if first in there or not usable:
        return options
    common = tuple(name for name in wanted if name in usable)
    return replace(options, mechanisms=tuple(usable[:1]) if usable[0] in PLAINTEXT else common)


def _warn_of_scram(work: Transaction, program: Program, options: RenderOptions, hubs: Iterable[str]) -> None:
    """Tell whom msmtp may fail: see :data:`smtpcreds.mta.msmtp.MECHANISMS`."""
    if program.FAMILY == msmtp.FAMILY and options.mechanisms and set(options.mechanisms) <= msmtp.FAILING:
        names = ", ".join(options.mechanisms)
        allow = _allowing(hubs)
        work.warn(
            f"msmtp: this hub offers {names} alone, by which msmtp since 1.8.26 can't log in with GNU SASL "
            f"2.2 (Debian 13); to offer PLAIN, inside TLS only: {allow}    then this again with --new-key"
        )


def _warn_of_rotation(work: Transaction, facts: Facts) -> None:
    account = facts.credential.account if facts.credential else None
    site, inventory = work.site, work.known_inventory
    for row in inventory.rotations.unfinished() if inventory else []:
        here = database_of(site, row.sasldb) == site.sasldb
        if row.state is RotationState.OPEN and here and row.account == account:
            name = AccountDatabase(site).shown(row.successor)
            successor = f"{account} is being replaced by {row.successor}"
            work.warn(f"{successor}; to use that one: --account {name}")


def _verify_key(wanted: BundleRequest, choice: CredentialSource) -> None:
    has_key = choice.origin in {KeySource.NEW, KeySource.PAIR}
    if Need.MATERIAL in wanted.program.NEEDS and not has_key:
        reason = f"needs a copy of the private key, and only {wanted.order.host} has it"
        apart = f"--mta sendmail; on that host then: smtpcreds mta apply {wanted.program.NAME}"
        hint = apart if wanted.terms.request else "--new-key"
        raise UsageError(wanted.program.NAME, reason, hint)


def _verify_permitted(
    wanted: BundleRequest, choice: CredentialSource, chain: tuple[Certificate, ...]
) -> None:
    if wanted.asked_csr:
        verify_petition(wanted.asked_csr, chain)
    elif choice.is_signed:
        verify_permitted(wanted.order, chain)


def _request(wanted: BundleRequest) -> tuple[Csr, PrivateKey | None]:
    """Return what is signed: for the host's own key, or for one that is made now."""
    if wanted.asked_csr:
        return wanted.asked_csr, None
    order, key = wanted.order, generate(wanted.order.key_type)
    request = Request(order.host, key.public_key(), order.dns_names, order.addresses)
    return Csr(request, (), order.profile, order.lifetime, None), key


def _signed(
    work: Transaction, wanted: BundleRequest, choice: CredentialSource, facts: Facts, delivery: Delivery
) -> Bundled:
    issuer = work.issuer()
    refresh_superseded_crls(work)
    asked_csr, key = _request(wanted)
    done: list[Bundled] = []

    def deliver(granted: SignedCsr) -> None:
        done.append(_finish(work, wanted, choice, facts, signed_credentials(granted, key), delivery))

    sign_csr(work, issuer, asked_csr, deliver, "cert sign" if key is None else "cert issue")
    _record(work, wanted, done[0])
    return done[0]


def _copied(
    work: Transaction, wanted: BundleRequest, choice: CredentialSource, facts: Facts, delivery: Delivery
) -> Bundled:
    if choice.row is None:
        raise DataError(wanted.order.host, "has no certificate")
    credentials = existing_credentials(work.ca, work.inventory, choice.row, choice.pair)
    done = _finish(work, wanted, choice, facts, credentials, delivery)
    _record(work, wanted, done)
    return done


def _finish(
    work: Transaction,
    wanted: BundleRequest,
    choice: CredentialSource,
    facts: Facts,
    credentials: Credentials,
    delivery: Delivery,
) -> Bundled:
    """Make the archive and deliver it."""
    data, paths, crl_end = assemble(work, wanted, facts, credentials, work.now)
    delivery.deliver(work, data, f"{len(paths)} members for {wanted.order.host}, {choice.origin.value}")
    previous = _revocable(work, choice) if choice.is_signed else ""
    known = fingerprint(work.ca.chain[-1])
    return Bundled(credentials, choice.origin, previous, facts, paths, crl_end, known, wanted.lasting)


def assemble(
    work: Transaction, wanted: BundleRequest, facts: Facts, credentials: Credentials, made: datetime
) -> tuple[bytes, tuple[str, ...], datetime | None]:
    """Return the archive, the paths of its members, and when its CRL ends.

    Args:
        work: whose authority is trusted.
        wanted: for which host and program.
        facts: what that is told.
        credentials: of the host.
        made: the time that it bears; with the same, the same content makes the same octets.
    """
    site = work.site
    around = trust_directory_content(work.ca, site.settings.cert.directory, with_crls=bool(facts.tls.crl))
    files = {item.path.rpartition("/")[2]: item.content for item in around if isinstance(item, Artifact)}
    crl_end = _crl_end(site, files[CRL]) if CRL in files else None
    if facts.material:
        crls = files.get(ALL_CRLS, b"")
        material = Material(credentials.key or Secret(b""), credentials.pem, files[BUNDLE], crls)
        facts = replace(facts, material=material)
    packed = _members(site, wanted, facts, credentials, around, crl_end, made)
    label = Label(facts.host, wanted.program.NAME, facts.fingerprint)
    return pack(label, packed, made), tuple(member.path for member in packed), crl_end


def _crl_end(site: Site, content: bytes) -> datetime:
    crl = read_crl(content, CRL, None)
    if fault := crl.fault(site.clock()):
        raise DataError(f"{site.ca_directory}/{CRL}", fault, cure_crl(crl.period, site.clock()))
    return crl.next_update or datetime.max.replace(tzinfo=UTC)


def _members(
    site: Site,
    wanted: BundleRequest,
    facts: Facts,
    credentials: Credentials,
    around: list[Artifact | Link],
    crl_end: datetime | None,
    made: datetime,
) -> tuple[Member, ...]:
    end, more = (None, how_it_fetches()) if wanted.login else (crl_end, [DELETE])
    texts = {
        README: readme(wanted.program, facts, credentials, made, end, more),
        SETTINGS: render_settings(site, wanted.program, facts, wanted.render_options),
    }
    found = members(site, wanted.program, facts, credentials, around, texts)
    return (*found, *fetching(site, wanted.program, facts, found, wanted.login)) if wanted.login else found


def _record(work: Transaction, wanted: BundleRequest, done: Bundled) -> None:
    account = str(done.facts.credential.account) if done.facts.credential else ""
    handover = Handover(
        done.facts.host,
        work.now,
        account,
        wanted.program.NAME,
        done.credentials.serial,
        done.credentials.key is not None,
        wanted.days,
        wanted.lasting,
    )
    record_handover(work, handover)


def _revocable(work: Transaction, choice: CredentialSource) -> str:
    """Return the serial number of what the host had, where its authority can revoke it; or nothing."""
    row = choice.row
    return row.serial if row and row.authority in revoking_authorities(work.inventory) else ""
