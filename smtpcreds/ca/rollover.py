"""A new authority takes over in one step, and the superseded one goes once nobody needs it."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..config import Site
from ..errors import DeniedError, MissingInputError, UsageError
from ..files import is_file, move, read_private, replace_directory, tree
from ..inventory.inventory import Inventory
from ..inventory.rows import AuthorityRow, AuthorityState
from ..model import Artifact
from ..names import parse_host
from ..pkcs11 import KeyUri
from ..pki.encoding import encode_der
from ..pki.keys import (
    KEY_TYPES,
    PrivateKey,
    SigningKey,
    is_encrypted,
    key_label,
    parse_key_type,
    remote_uri,
)
from ..pki.names import ca_name, common_name, constraints_of, organization_of, permitted_domains, title
from ..pki.values import BACKDATE, Certificate, Issuer
from ..transaction import Transaction
from .authority import CA, Passphrase, opened, short_id
from .create import NewAuthority, files_for, first_key, make, make_below
from .crl import record_crl, sign_crl, signs_crls
from .directory import refresh_trust_directories
from .layout import RETIRED, ROOT_KEY, SUPERSEDED, lifetime_of
from .publish import publish
from .token import TokenKey

# The end of superseded CAs: out of every bundle, once no certificate of theirs is needed.

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Retirement:
    """What was retired: the names of the authorities, and the directories whose bundle lost them."""

    names: tuple[str, ...]
    directories: tuple[str, ...]


def retire(work: Transaction, *, force: bool = False) -> Retirement:
    """Trust the authorities no more that were replaced; their files are kept as ``retired-*``.

    Args:
        work: where.
        force: although hosts still use certificates of theirs.
    """
    own, inventory = work.ca.certificate, work.require_inventory()
    rows = [
        row
        for row in inventory.authorities()
        if row.state is AuthorityState.CURRENT and row.der != encode_der(own)
    ]
    if not force:
        _refuse_needed(work, rows)
    for superseded_ca in work.ca.superseded_cas:
        move(
            superseded_ca.files.directory,
            f"{work.ca.files.directory}/{RETIRED}{short_id(superseded_ca.certificate)}",
        )
    work.renewed_authority()
    changed = refresh_trust_directories(work.site, inventory, work.ca)
    with inventory.transaction():
        for row in rows:
            inventory.retire_authority(row.id)
        work.record_all("ca retire", [(row.name, f"key identifier {row.ski}") for row in rows])
    return Retirement(tuple(row.name for row in rows), tuple(changed))


def hosts_of(inventory: Inventory, authorities: Collection[int], now: datetime) -> Iterator[str]:
    """Yield the hosts whose newest certificate is valid and was signed by one of these, each once."""
    rows = inventory.listing(latest=True, expires_after=now)
    yield from dict.fromkeys(row.host for row in rows if row.authority in authorities)


def _refuse_needed(work: Transaction, rows: Sequence[AuthorityRow]) -> None:
    needed = list(hosts_of(work.inventory, {row.id for row in rows}, work.now))
    if not needed:
        return
    more = f" and {len(needed) - _SHOWN} more" if len(needed) > _SHOWN else ""
    raise DeniedError(
        ", ".join(row.name for row in rows),
        f"still certifies {', '.join(needed[:_SHOWN])}{more}",
        f"smtpcreds cert renew {needed[0]}, and so on; or --force, which stops their certificates",
    )


# A new authority takes over: it appears in the place of the old one, with that one inside, in one step.


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
    work: Transaction,
    *,
    name: str | None = None,
    organization: str | None = None,
    key_type: str | None = None,
    days: int | None = None,
    permitted: tuple[str, ...] = (),
    unconstrained: bool = False,
    intermediate: bool = False,
    token: TokenKey | None = None,
) -> NewAuthority:
    """Complete the options with what the present authority is like; one in a token gets its new key there.

    Domains in the configuration count as options, since that is how a domain is added.
    """
    path, site = work.ca.chain, work.site
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
        intermediate or (len(path) > 1 and token is None),
        token or _same_token(work.ca),
    )


def _same_token(ca: CA) -> TokenKey | None:
    uri = remote_uri(read_private(ca.files.key), ca.files.key)
    return TokenKey(replace(KeyUri.parse(uri), label="", key_id=b"")) if uri else None


def roll_over(work: Transaction, wanted: NewAuthority, root: RootKey) -> Rolled:
    """Make a new authority; the present one becomes superseded, trusted until it is retired.

    The passphrase that opens the present key encrypts the new one.

    Args:
        work: where.
        wanted: from :func:`successor`.
        root: the key that signs an intermediate; not needed for a new root.
    """
    above = _root_key(work.ca, wanted, root)
    old = work.issuer()
    secret = work.passphrase() if is_encrypted(read_private(work.ca.files.key)) else None
    row = work.row(old.certificate)
    with first_key(wanted, work.pin, work.ca.files.key) as key:
        issuer, root_key = _made(work, wanted, above, root, key)
        _warn_of_losses(work, old, wanted, issuer)
        if signs_crls(row):
            publish(work, old)
        crl = sign_crl(work.site, issuer, 1, [])
        handed_down = _handed_down(work.ca, same_root=bool(above))
        replace_directory(work.ca.files.directory, [*files_for(issuer, root_key, crl, secret), *handed_down])
    work.renewed_authority()
    changed = refresh_trust_directories(work.site, work.inventory, work.ca)
    record_crl(work.inventory, work.row(issuer.certificate), crl)
    work.record("ca rollover", wanted.name, f"from {title(old.certificate)}")
    hosts = hosts_of(work.inventory, {row.id}, work.now)
    return Rolled(issuer.certificate, old.certificate, tuple(changed), tuple(hosts))


def _made(
    work: Transaction, wanted: NewAuthority, above: str | None, root: RootKey, key: SigningKey
) -> tuple[Issuer, PrivateKey | None]:
    """Return the new authority, and the key of its root if that is new too and does not sign."""
    if above is None:
        return make(work.site, wanted, key)
    question = root.passphrase
    top = opened(
        above, work.ca.chain[1:], work.passphrase if question is None else lambda: work.ask(question)
    )
    return make_below(work.site, wanted, top), None


def _handed_down(ca: CA, *, same_root: bool) -> Iterator[Artifact]:
    """Yield the files of today under their new names; a root that stays keeps its key on top."""
    home = f"{SUPERSEDED}{short_id(ca.certificate)}"
    for file in tree(ca.files.directory):
        stays = "/" in file.path or (same_root and file.path == ROOT_KEY)
        yield file if stays else Artifact(f"{home}/{file.path}", file.content)


def _root_key(ca: CA, wanted: NewAuthority, root: RootKey) -> str | None:
    """Return the path of the key that signs the new certificate, or None for a new root."""
    if root.new or wanted.token or len(ca.chain) == 1:
        if root.path:
            raise UsageError("--root-key", "is not needed: the new authority has a root of its own")
        return None
    found = root.path or ca.files.root_key
    if not is_file(found):
        raise MissingInputError(
            found,
            f"is not there, and only the key of {title(ca.chain[1])} can sign {wanted.name}",
            "give --root-key FILE, or --new-root to make a new root as well",
        )
    return found


def _key_type(site: Site, certificate: Certificate) -> str:
    label = key_label(certificate.public_key())
    return next((kind.name for kind in KEY_TYPES.values() if kind.label == label), site.settings.ca.key_type)


def _warn_of_losses(work: Transaction, old: Issuer, wanted: NewAuthority, issuer: Issuer) -> None:
    found = constraints_of(old.certificate)
    forms = [*(found.permitted_subtrees or ()), *(found.excluded_subtrees or ())] if found else []
    if len(forms) > len(permitted_domains(old.certificate)):
        work.warn(f"{wanted.name}: only permitted domains were taken over of the old name constraints")
    end = issuer.certificate.not_valid_after_utc
    if end < work.now + wanted.lifetime - timedelta(days=1):
        work.warn(
            f"{wanted.name}: ends on {end:%Y-%m-%d} with the root above it; --new-root makes a longer one"
        )
