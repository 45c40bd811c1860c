"""A new authority, made whole with one rename; and its keys encrypted anew."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import field, replace
from datetime import timedelta
from itertools import count
from typing import TYPE_CHECKING

from ..config import Site
from ..errors import DamagedFileError, DataError, SmtpcredsError, UsageError
from ..files import remove_directory, replace_directory, tree, write_directory
from ..lazy import dataclass
from ..model import Artifact
from ..names import parse_host
from ..pki.chains import climb
from ..pki.encoding import encode_certificates
from ..pki.issue import make_root, new_serial, sign
from ..pki.keys import (
    KeyType,
    PrivateKey,
    SigningKey,
    decode_key,
    generate,
    key_label,
    parse_key_type,
    public_id,
    remote_uri,
)
from ..pki.names import MAX_PART, ca_name, default_ca_name, generation, title
from ..pki.profiles import INTERMEDIATE
from ..pki.values import Certificate, Issuer, Request, validity
from ..secret import Secret
from ..shell import quote
from ..transaction import Transaction
from .authority import Passphrase, crl_url, decrypted, encrypted, no_passphrase
from .crl import NewCrl, record_crl, sign_crl
from .directory import others_lists, readable_bundle
from .layout import (
    CERTIFICATE,
    CRL,
    KEY,
    PARENTS,
    ROOT_CRL,
    ROOT_KEY,
    has_other,
    is_lost_here,
    lifetime_of,
    refuse_second,
)
from .root import new_root_crl
from .state import ensure_other_authority

if TYPE_CHECKING:
    from .token import TokenKey

# A new authority: made beside its place, it appears whole with one rename.


@dataclass(frozen=True)
class NewAuthority:
    """What ``ca init`` is asked for; :func:`new_authority` fills it from options and settings."""

    name: str
    organization: str
    key_type: KeyType
    lifetime: timedelta
    permitted_domains: tuple[str, ...]
    intermediate: bool = False
    token: "TokenKey | None" = None
    dns_only: bool = False


@dataclass(frozen=True)
class Created:
    """A new authority: the certificate that signs, and whether its keys are encrypted."""

    certificate: Certificate
    is_encrypted: bool


def new_authority(
    site: Site,
    *,
    name: str | None = None,
    organization: str | None = None,
    key_type: str | None = None,
    days: int | None = None,
    permitted_domains: tuple[str, ...] = (),
    unconstrained: bool = False,
    addresses: bool = False,
    intermediate: bool = False,
    token: "TokenKey | None" = None,
    force: bool = False,
) -> NewAuthority:
    """Complete the options with the settings and check them.

    Raises:
        ExistsError: an authority that is lost has published here, and ``force`` is not given.
    """
    if not force:
        refuse_second(site)
    wanted = site.settings.ca
    group = organization if organization is not None else wanted.organization
    default = wanted.name or default_ca_name(site.domain or site.hub)
    chosen = free_name(name, default, group, readable_bundle(site.certificates))
    lifetime = lifetime_of(wanted.days if days is None else days)
    domains = (
        permitted_domains
        or wanted.permitted_domains
        or ((site.settings.domain,) * bool(site.settings.domain))
    )
    free = unconstrained or not wanted.name_constraints
    return NewAuthority(
        chosen,
        group,
        parse_key_type(key_type or wanted.key_type),
        lifetime,
        () if free else tuple(parse_host(domain) for domain in domains),
        intermediate,
        token,
        dns_only=not (free or addresses or wanted.addresses),
    )


def free_name(name: str | None, default: str, organization: str, known: Iterable[Certificate]) -> str:
    """Return the common name of a new authority: no DN of an authority before it is used again.

    GnuTLS, NSS and Java look a CRL up by the name of its issuer. With one name for two keys they accept what
    the other key revoked, or can't load the second CRL (observed).

    Args:
        name: that was asked for; None takes the default, ``Polka CA``, or ``Polka CA G2`` and so on.
        default: where nobody has it.
        organization: the other part of the DN.
        known: CAs that are, or were, trusted here.
    """
    taken = {certificate.subject for certificate in known}
    free = next(each for each in _generations(default) if ca_name(each, organization) not in taken)
    if name and ca_name(name, organization) in taken:
        reason = f"{name} is the name of an authority before, and verifiers find CRLs by that name"
        raise UsageError("--name", reason, f"--name {quote(free)}")
    return name or free


def _generations(name: str) -> Iterator[str]:
    yield name
    stem, present = generation(name)
    for number in count(present + 1):
        end = f" G{number}"
        yield stem[: MAX_PART - len(end)] + end


def create(
    work: Transaction,
    wanted: NewAuthority,
    passphrase: Callable[[], Secret | None],
    pin: Callable[[], Secret | None] = no_passphrase,
) -> Created:
    """Make the authority; its directory appears whole.

    Args:
        work: where.
        wanted: what.
        passphrase: the question for what encrypts every key file of the authority; None leaves them plain.
            Not asked where the only key is in a token.
        pin: the question for the PIN of the token that is to hold the key that signs.

    Raises:
        ExistsError: there is an authority, or something in its place.
    """
    work.ca.refuse_existing()
    has_file = wanted.intermediate or not wanted.token
    secret = work.ask(passphrase) if has_file else None
    with signing_key(work, wanted, lambda: work.ask(pin)) as key:
        return _created(work, wanted, key, secret)


def _created(work: Transaction, wanted: NewAuthority, key: SigningKey, secret: Secret | None) -> Created:
    issuer, root_key = make(work.site, wanted, key)
    crl = sign_crl(work.site, issuer, 1, [])
    artifacts = files_for(issuer, root_key, crl, secret, site=work.site)
    inventory = work.inventory
    work.ca.refuse_existing()  # before the lock was taken, another run may have made one
    others = readable_bundle(work.site.certificates) if has_other(work.site) else ()
    lost = _lost(work.site, others)
    write_directory(work.ca.files.directory, artifacts)
    work.renewed_authority()
    work.take_passphrase(secret)
    try:
        with inventory.transaction():
            record_crl(inventory, work.row(issuer.certificate), crl)
            for other in others:
                ensure_other_authority(work.site, inventory, other, is_lost=other in lost)
            work.record("ca init", wanted.name)
    except SmtpcredsError:
        remove_directory(work.ca.files.directory)  # nobody has seen it yet, and the error says so
        raise
    return Created(issuer.certificate, secret is not None or not (root_key or isinstance(key, PrivateKey)))


def _lost(site: Site, others: Sequence[Certificate]) -> set[Certificate]:
    """Return those of a bundle that were the authority here: their CRLs have our names."""
    if not is_lost_here(site):
        return set()
    return {ca for item in others_lists(site.certificates, ()) for ca in climb(item.issuer, others)}


def files_for(
    issuer: Issuer,
    root_key: PrivateKey | None,
    crl: NewCrl | None,
    passphrase: Secret | None,
    *,
    site: Site,
) -> list[Artifact]:
    """Return the files of a new authority, named from its directory.

    Args:
        issuer: the authority.
        root_key: of the root above it, where that is kept here.
        crl: None where it may not sign any.
        passphrase: encrypts each key; None leaves them plain.
        site: gives the time at which the root's CRL begins.
    """
    artifacts = [
        Artifact(KEY, encrypted(issuer.key, passphrase)),
        Artifact(CERTIFICATE, encode_certificates([issuer.certificate]), note=_note(issuer.certificate)),
    ]
    if crl is not None:
        artifacts.append(Artifact(CRL, crl.pem))
    if root_key is not None:
        artifacts.append(Artifact(ROOT_KEY, encrypted(root_key, passphrase)))
        root = Issuer(issuer.parents[0], root_key)
        artifacts.append(Artifact(ROOT_CRL, new_root_crl(site, root).pem))
    if issuer.parents:
        artifacts.append(Artifact(PARENTS, encode_certificates(issuer.parents)))
    return artifacts


def _note(certificate: Certificate) -> str:
    end = f"{certificate.not_valid_after_utc:%Y-%m-%d}"
    return f"{title(certificate)}, {key_label(certificate.public_key())}, valid to {end}"


def signing_key(
    work: Transaction, wanted: NewAuthority, pin: Callable[[], Secret | None]
) -> AbstractContextManager[SigningKey]:
    """Give the key that signs certificates of hosts: new in memory, or in a token."""
    if wanted.token:
        from .token import new_key

        return new_key(wanted.token, wanted.key_type, wanted.name, pin, work.ca.files, work.begin)
    return nullcontext(generate(wanted.key_type))


def make(site: Site, wanted: NewAuthority, key: SigningKey) -> tuple[Issuer, PrivateKey | None]:
    """Return a new authority with its key, and the key of the root above it; that one is never in a token."""
    now, lifetime = site.clock(), wanted.lifetime
    root_key = generate(wanted.key_type) if wanted.intermediate else None
    root = make_root(
        f"{wanted.name} Root" if wanted.intermediate else wanted.name,
        wanted.organization,
        root_key or key,
        new_serial(),
        validity(now, lifetime),
        permitted_domains=wanted.permitted_domains,
        dns_only=wanted.dns_only,
        path_length=1 if wanted.intermediate else 0,
    )
    top = Issuer(root, root_key or key)
    return (make_below(site, wanted, top, key), root_key) if root_key else (top, None)


def make_below(site: Site, wanted: NewAuthority, top: Issuer, key: SigningKey) -> Issuer:
    """Return a new authority that a CA above it has signed; it ends with that one at the latest."""
    request = Request(
        wanted.name,
        key.public_key(),
        organization=wanted.organization,
        permitted_domains=wanted.permitted_domains,
        dns_only=wanted.dns_only,
    )
    span = validity(site.clock(), wanted.lifetime, top)
    top = replace(top, crl_url=crl_url(site, top.certificate, is_root=True))
    return Issuer(sign(request, INTERMEDIATE, top, new_serial(), span), key, top.path)


# Another passphrase for every key of the authority: all of them change in one step, or none.


def change_passphrase(work: Transaction, new: Callable[[], Secret | None]) -> tuple[str, ...]:
    """Encrypt every key of the authority and superseded ones anew; return their paths.

    Args:
        work: where; its passphrase opens all of them, and is asked for only if one is encrypted.
        new: asked after the old one was found right; None leaves the keys unencrypted.
    """
    name, directory = title(work.ca.certificate), work.ca.files.directory
    opened = _Opened(work.passphrase)
    held = tree(directory)
    first = next((file for file in sorted(held, key=_depth) if _is_key(file)), None)
    if first is None:
        reason = "the key is in a token, which has a PIN instead of a passphrase"
        raise DataError(name, reason, "change that with the token's own program")
    opened.key(first.content, f"{directory}/{first.path}")
    secret = work.ask(new)
    files = [_again(directory, file, opened, secret) for file in held]
    work.begin()
    replace_directory(directory, files)
    work.renewed_authority()
    work.record("ca passphrase" if secret else "ca passphrase removed", name)
    return tuple(f"{directory}/{file.path}" for file in files if _is_key(file))


@dataclass(frozen=True)
class _Opened:
    """Keys by their encrypted text: opening one takes half a second."""

    passphrase: Passphrase
    keys: dict[bytes, PrivateKey] = field(default_factory=dict, repr=False)

    def key(self, pem: bytes, path: str) -> PrivateKey:
        if pem not in self.keys:
            self.keys[pem] = decrypted(pem, self.passphrase, path)
        return self.keys[pem]


def _again(directory: str, file: Artifact, opened: _Opened, secret: Secret | None) -> Artifact:
    """Return a key file under the new passphrase, proven to open with it, and any other file as it is."""
    if not _is_key(file):
        return file
    path = f"{directory}/{file.path}"
    key = opened.key(file.content, path)
    content = encrypted(key, secret)
    if public_id(decode_key(content, secret, path)) != public_id(key):
        raise DamagedFileError(path, "did not survive its new encryption; nothing was changed")
    return Artifact(file.path, content)


def _is_key(file: Artifact) -> bool:
    """Tell whether a file holds a key; one that only names a key in a token does not."""
    return os.path.basename(file.path) in (KEY, ROOT_KEY) and not remote_uri(file.content, file.path)


def _depth(file: Artifact) -> int:
    """Sort the key that signs before those of superseded CAs."""
    return file.path.count("/")
