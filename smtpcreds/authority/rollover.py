"""A new authority takes over: it appears in the place of the old one, with that one inside, in one step."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from ..config import Site
from ..errors import MissingInputError, UsageError
from ..files import is_file, read_private, replace_directory, tree
from ..inventory import Inventory
from ..model import Artifact, Plan, Step
from ..names import parse_host
from ..pki.constraints import constraints_of, permitted_domains
from ..pki.dn import ca_name, common_name, organization_of, title
from ..pki.keyfile import is_encrypted
from ..pki.keys import KEY_TYPES, key_label, parse_key_type
from ..pki.values import BACKDATE, Certificate, Issuer
from .ca import Passphrase, certificates, once, open_issuer, open_key, require
from .create import NewAuthority, files_for, make, make_below
from .elders import short_id
from .everywhere import spread
from .layout import ELDER, ROOT_KEY, lifetime_of
from .ledger import at_work, enrol, enrolled, record
from .office import Office
from .publish import publish
from .reading import recording
from .retire import hosts_of
from .revocations import record_crl, sign_crl, signs_crls


@dataclass(frozen=True, slots=True)
class RootKey:
    """Where the key of the CA above is, unless it lies with the authority; its passphrase if it differs."""

    path: str | None = None
    passphrase: Passphrase | None = None
    new: bool = False


@dataclass(frozen=True, slots=True)
class Rolled:
    """A rollover that took place.

    Attributes:
        certificate: of the authority that signs now.
        old: of the one that did.
        directories: whose bundle holds both now.
        hosts: those with certificates of the old one.
    """

    certificate: Certificate
    old: Certificate
    directories: tuple[str, ...]
    hosts: tuple[str, ...]


def successor(
    site: Site,
    *,
    name: str | None = None,
    organization: str | None = None,
    key_type: str | None = None,
    days: int | None = None,
    permitted: tuple[str, ...] = (),
    unconstrained: bool = False,
    intermediate: bool = False,
) -> NewAuthority:
    """Complete the options with what the present authority is like.

    Domains in the configuration count as options, since that is how a domain is added.

    Raises:
        MissingInputError: there is no authority.
        NameRefusedError: a name that mail programs can't match, as imported authorities may have.
        UsageError: an unknown key type, or a lifetime of less than a day.
    """
    path = certificates(site)
    chosen = name or common_name(path[0].subject) or ""
    group = organization_of(path[0].subject) if organization is None else organization
    ca_name(chosen, group)
    lifetime = max(ca.not_valid_after_utc - ca.not_valid_before_utc - BACKDATE for ca in path)
    domains = permitted or site.settings.ca.permitted_domains or permitted_domains(path[0])
    return NewAuthority(
        chosen,
        group,
        parse_key_type(key_type or _key_type(site, path[0])),
        lifetime if days is None else lifetime_of(days),
        () if unconstrained else tuple(map(parse_host, domains)),
        intermediate or len(path) > 1,
    )


def plan_rollover(site: Site, wanted: NewAuthority, passphrase: Passphrase, root: RootKey) -> Plan[Rolled]:
    """Plan a new authority; the present one becomes its elder, trusted until it is retired.

    Args:
        site: where.
        wanted: from :func:`successor`.
        passphrase: opens the present key, and encrypts the new one if it was encrypted.
        root: the key that signs an intermediate; not needed for a new root.

    Raises:
        MissingInputError: there is no authority, or the root's key is not on this host.
        UsageError: a root key where none is needed.
    """
    path = certificates(site)
    above = _root_key(site, path, wanted, root)
    home = f"{site.ca_directory}/{ELDER}{short_id(path[0])}"
    what = f"{wanted.name}, {wanted.key_type.label}, {wanted.lifetime.days} days"
    steps = (
        Step("replace", site.ca_directory, 0o700, what),
        Step("keep the old authority in", home, 0o700),
        Step("write both CAs to", f"{site.certificates}/cacert.pem", 0o600),
        recording(site),
    )
    return Plan(steps, lambda: _roll(site, wanted, once(passphrase), above, root))


def _roll(
    site: Site, wanted: NewAuthority, passphrase: Passphrase, above: str | None, root: RootKey
) -> Rolled:
    with at_work(site) as inventory:
        old = open_issuer(site, passphrase)
        secret = passphrase() if is_encrypted(read_private(require(site).key)) else None
        row = enrolled(site, inventory, old)
        if signs_crls(row):
            publish(Office(site, inventory, row, old))
        if above:
            key = open_key(above, root.passphrase or passphrase)
            issuer, root_key = make_below(site, wanted, Issuer(old.path[1], key, old.path[2:])), None
        else:
            issuer, root_key = make(site, wanted)
        _warn_of_losses(site, old, wanted, issuer)
        crl = sign_crl(site, issuer, 1, [])
        artifacts = [
            *files_for(issuer, root_key, crl, secret),
            *_handed_down(site, old, same_root=bool(above)),
        ]
        replace_directory(site.ca_directory, artifacts)
        changed = spread(site, inventory)
        record_crl(inventory, enrol(site, inventory, issuer.certificate), crl)
        record(site, inventory, "ca rollover", wanted.name, f"from {title(old.certificate)}")
        return Rolled(issuer.certificate, old.certificate, tuple(changed), _hosts(site, inventory, row.id))


def _hosts(site: Site, inventory: Inventory, authority: int) -> tuple[str, ...]:
    return tuple(hosts_of(inventory, {authority}, site.clock()))


def _handed_down(site: Site, old: Issuer, *, same_root: bool) -> Iterator[Artifact]:
    """Yield the files of today under their new names; a root that stays keeps its key on top."""
    home = f"{ELDER}{short_id(old.certificate)}"
    for file in tree(site.ca_directory):
        stays = "/" in file.path or (same_root and file.path == ROOT_KEY)
        yield file if stays else Artifact(f"{home}/{file.path}", file.content)


def _root_key(site: Site, path: tuple[Certificate, ...], wanted: NewAuthority, root: RootKey) -> str | None:
    """Return the path of the key that signs the new certificate, or None for a new root."""
    if root.new or len(path) == 1:
        if root.path:
            raise UsageError("--root-key", "is not needed: the new authority has a root of its own")
        return None
    own = require(site).root_key
    found = root.path or own
    if not is_file(found):
        raise MissingInputError(
            found,
            f"is not there, and only the key of {title(path[1])} can sign {wanted.name}",
            "give --root-key FILE, or --new-root to make a new root as well",
        )
    return found


def _key_type(site: Site, certificate: Certificate) -> str:
    label = key_label(certificate.public_key())
    return next((kind.name for kind in KEY_TYPES.values() if kind.label == label), site.settings.ca.key_type)


def _warn_of_losses(site: Site, old: Issuer, wanted: NewAuthority, issuer: Issuer) -> None:
    found = constraints_of(old.certificate)
    forms = [*(found.permitted_subtrees or ()), *(found.excluded_subtrees or ())] if found else []
    if len(forms) > len(permitted_domains(old.certificate)):
        site.warn(f"{wanted.name}: only permitted domains were taken over of the old name constraints")
    end = issuer.certificate.not_valid_after_utc
    if end < site.clock() + wanted.lifetime - timedelta(days=1):
        site.warn(
            f"{wanted.name}: ends on {end:%Y-%m-%d} with the root above it; --new-root makes a longer one"
        )
