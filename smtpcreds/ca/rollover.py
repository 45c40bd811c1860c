"""A new authority takes over in one step, and the superseded one goes once nobody needs it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from ..config import Site
from ..errors import DeniedError, MissingInputError, UnsafePathError, UsageError, half_done
from ..files import read_private, replace_directory, tree, write_all, write_directory
from ..inventory.rows import AuthorityRow, AuthorityState
from ..lazy import dataclass
from ..model import Artifact
from ..names import parse_host
from ..pkcs11 import KeyUri
from ..pki.crl import may_sign_crls
from ..pki.dates import has_ended
from ..pki.encoding import encode_certificates, encode_der
from ..pki.keys import KEY_TYPES, is_encrypted, key_label, parse_key_type, remote_uri
from ..pki.names import (
    common_name,
    constraints_of,
    is_dns_only,
    name_constraints,
    organization_of,
    permitted_domains,
    title,
)
from ..pki.values import BACKDATE, Certificate, Issuer
from ..secret import Secret
from ..transaction import Transaction
from .authority import CA, OF_CA, SupersededCA, short_id
from .create import NewAuthority, files_for, free_name, make, make_below, signing_key
from .crl import record_crl, sign_crl, signs_crls
from .directory import directories, readable_bundle, refresh_trust_directories
from .layout import CERTIFICATE, RETIRED, ROOT_CRL, ROOT_KEY, SUPERSEDED, lifetime_of
from .old import RENEW_OLD, RENEW_UNKNOWN, RETIRE_OLD, hosts_of, of_unknown_use, without_files
from .publish import publish, sign_last_crl
from .renew import next_of_rollover, old_rows
from .root import RootKey, entries, lacks_root_crl, last_root_crl, new_root_crl, to_revoke
from .state import CA_RETIRED, complete_retirement, retire_files
from .token import TokenKey

# The end of superseded CAs: out of every bundle, once no certificate of theirs is needed.

_SHOWN = 10


@dataclass(frozen=True)
class Retirement:
    """What was retired.

    Attributes:
        names: of the authorities.
        directories: whose bundle lost them.
        revoked: names of those that their root has revoked, since it is trusted still.
    """

    names: tuple[str, ...]
    directories: tuple[str, ...]
    revoked: tuple[str, ...]


def retire(work: Transaction, root: RootKey, *, force: bool = False) -> Retirement:
    """Trust the authorities no more that were replaced; their files are kept as ``retired-*``.

    An issuing CA below a root that stays is accepted with the chain that is sent, until the root revokes it.

    Args:
        work: where.
        root: the key that revokes those; not needed where the root goes too.
        force: although hosts still use certificates of theirs, or the root's key is not here.
    """
    own, inventory = work.ca.certificate, work.require_inventory()
    rows = [
        row
        for row in inventory.authorities()
        if row.state is AuthorityState.CURRENT and row.der != encode_der(own)
    ]
    if not force:
        _refuse_needed(work, rows)
    revoked = _revoke(work, root, force=force)
    for lost in without_files(inventory, work.ca):
        home = f"{work.ca.files.directory}/{RETIRED}{short_id(lost)}"
        write_directory(home, [Artifact(CERTIFICATE, encode_certificates([lost]))])
    retire_files(work.ca, work.ca.superseded_cas)
    work.renewed_authority()
    changed, failed = refresh_trust_directories(work.site, inventory, work.ca)
    if failed:  # recorded as trusted still: the next command goes on
        names = ", ".join(row.name for row in rows)
        raise half_done(failed[0], f"{names} is trusted there still; the same command ends that")
    with inventory.transaction():
        for row in rows:
            inventory.retire_authority(row.id)
        work.record_all(CA_RETIRED, [(row.name, f"key identifier {row.ski}") for row in rows])
    return Retirement(tuple(row.name for row in rows), tuple(changed), revoked)


def _revoke(work: Transaction, root: RootKey, *, force: bool) -> tuple[str, ...]:
    """Let the root revoke issuing CAs that go while it stays; return their names.

    Its CRL is written first: from then on the next run completes the retirement.
    """
    ca = work.ca
    going, path = to_revoke(ca, work), root.find(ca)
    if not going:
        return ()
    names = tuple(title(former.certificate) for former in going)
    end = max(former.certificate.not_valid_after_utc for former in going)
    reason = f"is accepted until {end:%Y-%m-%d} with its chain, unless {title(ca.chain[1])} revokes it"
    if path is None and not force:
        hint = "give the root's key: --root-key FILE; or --force, and it is accepted so long"
        raise MissingInputError(", ".join(names), reason, hint)
    for former in going:
        if former in ca.superseded_cas:
            sign_last_crl(work, former)
    if path is None:
        work.warn(f"{', '.join(names)}: {reason}: smtpcreds ca rollover --retire-old --root-key FILE")
        return ()
    crl = new_root_crl(work.site, root.open(work, path), last_root_crl(work), entries(work, going))
    write_all([Artifact(ca.files.root_crl, crl.pem)])
    return names


def _refuse_needed(work: Transaction, rows: Sequence[AuthorityRow]) -> None:
    needed = list(hosts_of(work.inventory, {row.id for row in rows}, work.now))
    if not needed:
        if unknown := of_unknown_use(work.inventory, work.ca, work.now):
            reason = "is older than the inventory, which does not know what hosts still use it"
            raise DeniedError(", ".join(unknown), reason, RENEW_UNKNOWN)
        return
    more = f" and {len(needed) - _SHOWN} more" if len(needed) > _SHOWN else ""
    raise DeniedError(
        ", ".join(row.name for row in rows),
        f"still certifies {', '.join(needed[:_SHOWN])}{more}",
        f"{next_of_rollover(work.site, work.inventory, work.ca, needed)}; or --force, which stops them",
    )


# A new authority takes over: it appears in the place of the old one, with that one inside, in one step.


@dataclass(frozen=True)
class Rolled:
    """A rollover that took place.

    Attributes:
        certificate: of the authority that signs now.
        old: of the one that did.
        directories: whose bundle holds both now; only the new one where the old one is retired.
        hosts: those with certificates of the old one.
        old_retired: at once, for it was not valid yet.
    """

    certificate: Certificate
    old: Certificate
    directories: tuple[str, ...]
    hosts: tuple[str, ...]
    old_retired: bool


def successor(
    work: Transaction,
    *,
    name: str | None = None,
    organization: str | None = None,
    key_type: str | None = None,
    days: int | None = None,
    permitted: tuple[str, ...] = (),
    unconstrained: bool = False,
    addresses: bool = False,
    intermediate: bool = False,
    token: TokenKey | None = None,
) -> NewAuthority:
    """Complete the options with what the present authority is like; one in a token gets its new key there.

    Domains in the configuration count as options, since that is how a domain is added.
    """
    path, site = work.ca.chain, work.site
    group = organization_of(path[0].subject) if organization is None else organization
    chosen = _new_name(work, name, group)
    lifetime = max(ca.not_valid_after_utc - ca.not_valid_before_utc - BACKDATE for ca in path)
    domains = permitted or site.settings.ca.permitted_domains or permitted_domains(path[0])
    return NewAuthority(
        chosen,
        group,
        parse_key_type(key_type or _key_type(site, path[0])),
        lifetime if days is None else lifetime_of(days),
        () if unconstrained else tuple(map(parse_host, domains)),
        intermediate or len(path) > 1,
        token or _same_token(work.ca),
        dns_only=is_dns_only(path[0]) and not (unconstrained or addresses or site.settings.ca.addresses),
    )


def _same_token(ca: CA) -> TokenKey | None:
    uri = remote_uri(read_private(ca.files.key), ca.files.key)
    return TokenKey(replace(KeyUri.parse(uri), label="", key_id=b"")) if uri else None


def _new_name(work: Transaction, name: str | None, organization: str) -> str:
    """Return the common name of a successor; what is trusted beside certificates counts as known.

    It may be a successor that a state directory which was put back knows nothing of.
    """
    ca = work.ca
    older = (certificate for former in (*ca.superseded_cas, *ca.retired) for certificate in former.path)
    beside = (other for place in directories(work.site, work.inventory) for other in readable_bundle(place))
    return free_name(
        name, common_name(ca.certificate.subject) or "", organization, (*ca.chain, *older, *beside)
    )


def roll_over(
    work: Transaction,
    wanted: NewAuthority,
    root: RootKey,
    *,
    again: bool = False,
    clock_was_ahead: bool = False,
) -> Rolled:
    """Make a new authority; the present one becomes superseded, trusted until it is retired.

    The passphrase that opens the present key encrypts the new one.

    Args:
        work: where.
        wanted: from :func:`successor`.
        root: the key that signs an intermediate; not needed for a new root.
        again: although a rollover before has not ended.
        clock_was_ahead: when the present authority was made, so that it is not valid yet, and nothing that it
            signed is: it is retired at once.
    """
    is_early = clock_was_ahead and _is_early(work, work.ca.certificate)
    if not (again or is_early):
        _confirm_second(work)
    if is_early and _is_early(work, work.ca.chain[-1]):
        root = replace(root, new=True)
    above = _root_key(work.ca, wanted, root)
    _refuse_plain_root(work, wanted, root, above)
    old = work.ca.issuer(work.passphrase, pin=work.pin) if is_early else work.issuer()
    secret = _passphrase(work, root)
    top = root.open(work, above) if above else None
    row = work.row(old.certificate)
    with signing_key(work, wanted, work.pin) as key:
        made = (make_below(work.site, wanted, top, key), None) if top else make(work.site, wanted, key)
        issuer, root_key = made
        _warn_of_losses(work, old, wanted, issuer)
        if is_early and len(work.ca.chain) > 1:
            _end_early(work, old, top)
        elif signs_crls(row) and not is_early:
            publish(work, old)
        crl = sign_crl(work.site, issuer, 1, [])
        files = files_for(issuer, root_key, crl, secret, site=work.site)
        if top and lacks_root_crl(work.ca):
            files.append(Artifact(ROOT_CRL, new_root_crl(work.site, top).pem))
        files += _handed_down(work.ca, RETIRED if is_early else SUPERSEDED, same_root=bool(top))
        replace_directory(work.ca.files.directory, files)
    work.renewed_authority()
    complete_retirement(work.site, work.inventory, work.ca, "was not valid yet")
    changed, failed = refresh_trust_directories(work.site, work.inventory, work.ca)
    broken = [error for error in failed if not isinstance(error, UnsafePathError)]
    if broken:  # not recorded: the next command takes it for one that was interrupted, and goes on
        reason = f"{wanted.name} signs, but is not trusted there yet; the next command ends that"
        raise half_done(broken[0], reason)
    record_crl(work.inventory, work.row(issuer.certificate), crl)
    work.record("ca rollover", wanted.name, f"from {title(old.certificate)}")
    here = old_rows(replace(work.site, warn=lambda _: None), work.inventory, work.ca)
    hosts = dict.fromkeys((*(old.host for old in here), *hosts_of(work.inventory, {row.id}, work.now)))
    return Rolled(issuer.certificate, old.certificate, tuple(changed), tuple(hosts), is_early)


def _end_early(work: Transaction, early: Issuer, root: Issuer | None) -> None:
    """Give an authority that is not valid yet its last CRL, and let a root that stays revoke it."""
    going = SupersededCA(work.ca.files, work.ca.chain)
    if signs_crls(work.row(early.certificate)):
        publish(work, early, lifetime=early.not_after - work.now)
    if root and may_sign_crls(root.certificate):
        crl = new_root_crl(work.site, root, last_root_crl(work), entries(work, [going]), force=True)
        write_all([Artifact(work.ca.files.root_crl, crl.pem)])


def _is_early(work: Transaction, authority: Certificate) -> bool:
    return work.now < authority.not_valid_before_utc


def _confirm_second(work: Transaction) -> None:
    """Ask where a rollover is half-way; a superseded CA that has expired is in nobody's way."""
    former = [old.certificate for old in work.ca.superseded_cas]
    if living := [old for old in former if not has_ended(old.not_valid_after_utc, work.now)]:
        name, reason = (
            title(work.ca.certificate),
            f"has replaced {title(living[0])}, which is not retired yet",
        )
        hint = f"end it first: {RENEW_OLD}, then {RETIRE_OLD}; or --force for one more authority"
        refusal = DeniedError(name, reason, hint)
        work.confirm(f"make one more authority, although {name} {reason}", otherwise=refusal)


_CRLS_ABOVE = ROOT_CRL.removesuffix(".pem")


def _handed_down(ca: CA, prefix: str, *, same_root: bool) -> Iterator[Artifact]:
    """Yield the files of today under their new names; a root that stays keeps its key and CRL on top."""
    home = f"{prefix}{short_id(ca.certificate)}"
    for file in tree(ca.files.directory):
        stays = "/" in file.path or (
            same_root and (file.path == ROOT_KEY or file.path.startswith(_CRLS_ABOVE))
        )
        yield file if stays else Artifact(f"{home}/{file.path}", file.content)


def _root_key(ca: CA, wanted: NewAuthority, root: RootKey) -> str | None:
    """Return the path of the key that signs the new certificate, or None for a new root."""
    if root.new or len(ca.chain) == 1:
        if root.path:
            raise UsageError("--root-key", "is not needed: the new authority has a root of its own")
        return None
    found = root.find(ca)
    if found is None:
        raise MissingInputError(
            ca.files.root_key,
            f"is not there, and only the key of {title(ca.chain[1])} can sign {wanted.name}",
            "give --root-key FILE, or --new-root to make a new root as well",
        )
    return found


def _passphrase(work: Transaction, root: RootKey) -> Secret | None:
    """Return what encrypts the files of the new keys: it opens the present one, or the root's beside a token.

    Either is opened with it, so that a mistyped one encrypts nothing.
    """
    ca = work.ca
    if is_encrypted(read_private(ca.files.key)):
        return work.passphrase()
    path = root.find(ca) if remote_uri(read_private(ca.files.key), ca.files.key) else None
    if path is None or not is_encrypted(read_private(path)):
        return None
    root.open(work, path)
    return work.passphrase()


def _refuse_plain_root(work: Transaction, wanted: NewAuthority, root: RootKey, above: str | None) -> None:
    """Refuse to make a new root beside a token where no passphrase is known that could encrypt its key."""
    ca = work.ca
    is_here = len(ca.chain) > 1 and root.find(ca)
    if wanted.intermediate and not above and not is_here and _same_token(ca):
        hint = "leave --intermediate and --new-root out, or name the key of the present root: --root-key FILE"
        raise UsageError("ca rollover", "knows no passphrase for the key of a new root", hint)


def _key_type(site: Site, certificate: Certificate) -> str:
    label = key_label(certificate.public_key())
    return next((kind.name for kind in KEY_TYPES.values() if kind.label == label), site.settings.ca.key_type)


def _warn_of_losses(work: Transaction, old: Issuer, wanted: NewAuthority, issuer: Issuer) -> None:
    url = work.site.settings.ca.crl_url
    if url and OF_CA not in url:
        work.warn(
            f"ca.crl_url: {url} can hold one CRL, and certificates of both authorities name it; "
            f"put {OF_CA} into it, and into ca crl --to"
        )
    found = constraints_of(old.certificate)
    ours = name_constraints(permitted_domains(old.certificate), dns_only=is_dns_only(old.certificate))
    if found != ours:
        work.warn(f"{wanted.name}: only permitted domains were taken over of the old name constraints")
    end = issuer.certificate.not_valid_after_utc
    if end < work.now + wanted.lifetime - timedelta(days=1):
        work.warn(
            f"{wanted.name}: ends on {end:%Y-%m-%d} with the root above it; --new-root makes a longer one"
        )
