"""A bundle: the certificate if one is needed, the archive, the record of who got it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..accounts import AccountBook
from ..accounts.origin import database_of
from ..authority.everywhere import elsewhere
from ..authority.issue import verify_permitted
from ..authority.layout import BUNDLE, CRL
from ..authority.orders import Order
from ..authority.publish import refresh_elders
from ..authority.sign_request import Granted, Petition, grant, verify_petition
from ..config import Site
from ..deploy.gather import gather
from ..deploy.handed_out import Handover, record_handover
from ..deploy.wishes import Wishes
from ..errors import DataError, UsageError
from ..inventory import RotationState
from ..model import Artifact, Link
from ..mta.port import Facts, Material, Need, Program
from ..pki.crl import read_crl
from ..pki.keys import PrivateKey, generate
from ..pki.values import Certificate, Request
from ..secret import Secret
from ..transaction import Transaction
from .archive import pack
from .contents import members
from .delivery import Delivery
from .member import README, SETTINGS, Label, Member
from .papers import Choice, Origin, Papers, Terms, choose, granted_papers, standing
from .readme import readme
from .settings import render_settings

_LATER = Material(Secret(b"\n"), b"\n", b"\n", b"\n")
"""Stands for what is not signed yet, while a plan is made."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A bundle that is asked for.

    Attributes:
        order: the host, and the certificate that it gets if one is issued.
        program: its mail program.
        wishes: of the program's files.
        terms: of the certificate.
        petition: of the host's own key; None where there is none.
    """

    order: Order
    program: Program
    wishes: Wishes
    terms: Terms
    petition: Petition | None = None


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle that is on its way.

    Attributes:
        papers: of the host.
        origin: where they came from.
        former: serial number of the certificate that the host has and no longer needs; or empty.
        facts: what its program was told.
        paths: of all members.
        crl_end: when the CRL in it has to be replaced.
    """

    papers: Papers
    origin: Origin
    former: str
    facts: Facts = field(repr=False)
    paths: tuple[str, ...]
    crl_end: datetime


def make_bundle(work: Transaction, wanted: Wanted, delivery: Delivery) -> Bundled:
    """Make a bundle, with a new certificate if one is needed, deliver it, and record who got it.

    Raises:
        MissingInputError: there is no authority, or the certificate that is to go along.
        NoSuchAccountError: the account is not in the database.
        ExistsError: the host has a certificate whose key is not here.
        UsageError: the program needs a copy of the key, and the key is not here.
        InexpressibleError: a fact that a format of the program can't hold.
    """
    site, chain = work.site, work.ca.chain
    choice = choose(site, work.known_inventory, wanted.order.host, wanted.terms)
    _verify_key(wanted, choice)
    _verify_permitted(wanted, choice, chain)
    facts = gather(site, wanted.program, wanted.wishes, _LATER)
    _warn_of_rotation(work, facts)
    wanted.program.render(facts)
    render_settings(site, wanted.program, facts, wanted.wishes)
    delivery.prepare(work)
    return (
        _signed(work, wanted, choice, delivery)
        if choice.is_signed
        else _copied(work, wanted, choice, delivery)
    )


def _warn_of_rotation(work: Transaction, facts: Facts) -> None:
    account = facts.credential.account if facts.credential else None
    site, inventory = work.site, work.known_inventory
    for row in inventory.rotations.unfinished() if inventory else []:
        here = database_of(site, row.sasldb) == site.sasldb
        if row.state is RotationState.OPEN and here and row.account == account:
            name = AccountBook(site).shown(row.successor)
            successor = f"{account} is being replaced by {row.successor}"
            work.warn(f"{successor}; to hand out that one: --account {name}")


def _verify_key(wanted: Wanted, choice: Choice) -> None:
    has_key = choice.origin in {Origin.NEW, Origin.PAIR}
    if Need.MATERIAL in wanted.program.NEEDS and not has_key:
        reason = f"needs a copy of the private key, and only {wanted.order.host} has it"
        hint = f"leave it out; on that host then: smtpcreds mta apply {wanted.program.NAME}"
        raise UsageError(wanted.program.NAME, reason, hint)


def _verify_permitted(wanted: Wanted, choice: Choice, chain: tuple[Certificate, ...]) -> None:
    if wanted.petition:
        verify_petition(wanted.petition, chain)
    elif choice.is_signed:
        verify_permitted(wanted.order, chain)


def _request(wanted: Wanted) -> tuple[Petition, PrivateKey | None]:
    """Return what is signed: for the host's own key, or for one that is made now."""
    if wanted.petition:
        return wanted.petition, None
    order, key = wanted.order, generate(wanted.order.key_type)
    request = Request(order.host, key.public_key(), order.dns_names, order.addresses)
    return Petition(request, (), order.profile, order.lifetime, None), key


def _signed(work: Transaction, wanted: Wanted, choice: Choice, delivery: Delivery) -> Bundled:
    issuer = work.issuer()
    refresh_elders(work)
    petition, key = _request(wanted)
    done: list[Bundled] = []

    def deliver(granted: Granted) -> None:
        done.append(_finish(work, wanted, choice, granted_papers(granted, key), delivery))

    grant(work, issuer, petition, deliver, "cert sign" if key is None else "cert issue")
    _record(work, wanted, done[0])
    return done[0]


def _copied(work: Transaction, wanted: Wanted, choice: Choice, delivery: Delivery) -> Bundled:
    if choice.row is None:
        raise DataError(wanted.order.host, "has no certificate")
    papers = standing(work.ca, work.inventory, choice.row, choice.pair)
    done = _finish(work, wanted, choice, papers, delivery)
    _record(work, wanted, done)
    return done


def _finish(work: Transaction, wanted: Wanted, choice: Choice, papers: Papers, delivery: Delivery) -> Bundled:
    """Make the archive and deliver it."""
    site = work.site
    around = elsewhere(work.ca, site.settings.cert.directory)
    files = {item.path.rpartition("/")[2]: item.content for item in around if isinstance(item, Artifact)}
    crl_end = _crl_end(site, files[CRL])
    material = Material(papers.key or Secret(b""), papers.pem, files[BUNDLE], files[CRL])
    facts = gather(site, wanted.program, wanted.wishes, material)
    packed = _members(site, wanted, facts, papers, around, crl_end)
    label = Label(facts.host, wanted.program.NAME, facts.fingerprint)
    note = f"{len(packed)} members for {wanted.order.host}, {choice.origin.value}"
    delivery.deliver(work, pack(label, packed, work.now), note)
    former = _serial(choice) if choice.is_signed else ""
    return Bundled(papers, choice.origin, former, facts, tuple(member.path for member in packed), crl_end)


def _crl_end(site: Site, content: bytes) -> datetime:
    crl = read_crl(content, CRL, None)
    if not crl.is_current(site.clock()):
        reason = "has ended, and with it every certificate counts as bad"
        raise DataError(f"{site.ca_directory}/{CRL}", reason, "smtpcreds ca crl")
    return crl.next_update or datetime.max.replace(tzinfo=UTC)


def _members(
    site: Site,
    wanted: Wanted,
    facts: Facts,
    papers: Papers,
    around: list[Artifact | Link],
    crl_end: datetime,
) -> tuple[Member, ...]:
    texts = {
        README: readme(wanted.program, facts, papers, site.clock(), crl_end),
        SETTINGS: render_settings(site, wanted.program, facts, wanted.wishes),
    }
    return members(site, wanted.program, facts, papers, around, texts)


def _record(work: Transaction, wanted: Wanted, done: Bundled) -> None:
    account = str(done.facts.credential.account) if done.facts.credential else ""
    handover = Handover(
        done.facts.host,
        work.now,
        account,
        wanted.program.NAME,
        done.papers.serial,
        done.papers.key is not None,
    )
    record_handover(work, handover)


def _serial(choice: Choice) -> str:
    return choice.row.serial if choice.row else ""
