"""One plan for a bundle: the certificate if one is needed, the archive, the record of who got it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..accounts import AccountBook
from ..accounts.origin import database_of
from ..authority.ca import Passphrase, certificates, once, open_issuer
from ..authority.elder_crls import refresh_elders
from ..authority.everywhere import elsewhere
from ..authority.issue import verify_permitted
from ..authority.layout import BUNDLE, CRL
from ..authority.ledger import at_work
from ..authority.office import at_the_office
from ..authority.orders import Order
from ..authority.reading import looking
from ..authority.sign_request import Granted, Petition, grant, verify_petition
from ..config import Site
from ..deploy.gather import gather
from ..deploy.handed_out import Handover, record_handover
from ..deploy.wishes import Wishes
from ..errors import DataError, UsageError
from ..inventory import Inventory, RotationState
from ..model import Account, Artifact, Link, Plan, Step
from ..mta.port import Facts, Material, Need, Program
from ..pki.crl import read_crl
from ..pki.keys import PrivateKey, generate
from ..pki.values import Certificate, Request
from ..secret import Secret
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


def plan_bundle(site: Site, wanted: Wanted, passphrase: Passphrase, delivery: Delivery) -> Plan[Bundled]:
    """Plan a bundle.

    Raises:
        MissingInputError: there is no authority, or the certificate that is to go along.
        NoSuchAccountError: the account is not in the database.
        ExistsError: the host has a certificate whose key is not here.
        UsageError: the program needs a copy of the key, and the key is not here.
        InexpressibleError: a fact that a format of the program can't hold.
    """
    chain = certificates(site)
    with looking(site) as inventory:
        choice = choose(site, inventory, wanted.order.host, wanted.terms)
        replaced = _being_replaced(site, inventory)
    _verify_key(wanted, choice)
    _verify_permitted(wanted, choice, chain)
    facts = gather(site, wanted.program, wanted.wishes, _LATER)
    _warn_of_rotation(site, facts, replaced)
    rendered = wanted.program.render(facts)
    render_settings(site, wanted.program, facts, wanted.wishes)

    def apply() -> Bundled:
        delivery.prepare()
        if choice.is_signed:
            return _signed(site, wanted, choice, passphrase, delivery)
        with at_work(site) as office:
            return _put_together(site, wanted, choice, office, delivery)

    steps = [_step_of(wanted.order, choice), delivery.step._replace(note=_note(wanted, len(rendered)))]
    return Plan(tuple(steps), apply)


def _being_replaced(site: Site, inventory: Inventory | None) -> dict[Account, Account]:
    """Return the successors of accounts whose replacement is half-way."""
    rows = inventory.rotations.unfinished() if inventory else []
    found = (row for row in rows if row.state is RotationState.OPEN)
    return {row.account: row.successor for row in found if database_of(site, row.sasldb) == site.sasldb}


def _warn_of_rotation(site: Site, facts: Facts, replaced: Mapping[Account, Account]) -> None:
    successor = replaced.get(facts.credential.account) if facts.credential else None
    if facts.credential and successor:
        account, name = facts.credential.account, AccountBook(site).shown(successor)
        site.warn(f"{account} is being replaced by {successor}; to hand out that one: --account {name}")


def _step_of(order: Order, choice: Choice) -> Step:
    target = choice.pair.key if choice.pair else order.host
    kind = f"{order.profile.label}, {order.key_type.label}, {order.lifetime.days} days"
    return Step(choice.origin.value, target, note=kind if choice.is_signed else f"serial {_serial(choice)}")


def _note(wanted: Wanted, count: int) -> str:
    return f"{count} files of {wanted.program.NAME} for {wanted.order.host}"


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


def _signed(
    site: Site, wanted: Wanted, choice: Choice, passphrase: Passphrase, delivery: Delivery
) -> Bundled:
    asked = once(passphrase)
    issuer = open_issuer(site, asked)
    refresh_elders(site, asked)
    petition, key = _request(wanted)
    done: list[Bundled] = []

    def deliver(granted: Granted) -> None:
        done.append(_finish(site, wanted, choice, granted_papers(granted, key), delivery))

    with at_the_office(site, issuer) as office:
        _verify_unchanged(site, wanted, choice, office.inventory)
        grant(office, petition, deliver, "cert sign" if key is None else "cert issue")
        _record(site, office.inventory, wanted, done[0])
    return done[0]


def _put_together(
    site: Site, wanted: Wanted, choice: Choice, inventory: Inventory, delivery: Delivery
) -> Bundled:
    _verify_unchanged(site, wanted, choice, inventory)
    if choice.row is None:
        raise DataError(wanted.order.host, "has no certificate")
    papers = standing(site, inventory, choice.row, choice.pair)
    done = _finish(site, wanted, choice, papers, delivery)
    _record(site, inventory, wanted, done)
    return done


def _verify_unchanged(site: Site, wanted: Wanted, choice: Choice, inventory: Inventory) -> None:
    if choose(site, inventory, wanted.order.host, wanted.terms) != choice:
        raise DataError(wanted.order.host, "got another certificate while this ran", "run it again")


def _finish(site: Site, wanted: Wanted, choice: Choice, papers: Papers, delivery: Delivery) -> Bundled:
    """Make the archive and deliver it."""
    around = elsewhere(site, site.settings.cert.directory)
    files = {item.path.rpartition("/")[2]: item.content for item in around if isinstance(item, Artifact)}
    crl_end = _crl_end(site, files[CRL])
    material = Material(papers.key or Secret(b""), papers.pem, files[BUNDLE], files[CRL])
    facts = gather(site, wanted.program, wanted.wishes, material)
    packed = _members(site, wanted, facts, papers, around, crl_end)
    delivery.deliver(pack(Label(facts.host, wanted.program.NAME, facts.fingerprint), packed, site.clock()))
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


def _record(site: Site, inventory: Inventory, wanted: Wanted, done: Bundled) -> None:
    account = str(done.facts.credential.account) if done.facts.credential else ""
    handover = Handover(
        done.facts.host,
        site.clock(),
        account,
        wanted.program.NAME,
        done.papers.serial,
        done.papers.key is not None,
    )
    record_handover(site, inventory, handover)


def _serial(choice: Choice) -> str:
    return choice.row.serial if choice.row else ""
