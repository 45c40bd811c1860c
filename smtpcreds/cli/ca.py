"""``smtpcreds ca``: the certificate authority."""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from ..errors import UsageError, number_of
from . import lazy_click as click
from .crl_answer import crl_lines, crl_row
from .framework import noun, reload_hook, reload_line, reload_option
from .secrets import (
    ca_passphrase,
    changed_ca_passphrase,
    import_passphrases,
    new_ca_passphrase,
    passphrase_option,
    warn_of_plain_key,
    weak_option,
)
from .session import Session, pass_session

if TYPE_CHECKING:
    from datetime import datetime

    from ..ca.authority import Passphrase
    from ..ca.create import NewAuthority
    from ..ca.lookup import Generation
    from ..ca.rollover import Rolled
    from ..ca.root import RootKey
    from ..ca.token import TokenKey
    from ..config import Site
    from ..pki.describe import Description
    from ..pki.revocation import CurrentCrl


ca = noun(
    "ca",
    "The certificate authority that signs for your mail hosts.",
    {
        "init": ("ca", "init", "Make the authority: a private key and its certificate."),
        "import": ("ca", "import_", "Take over an authority that another program made."),
        "show": ("ca", "show", "Show the authority; no passphrase is needed."),
        "crl": ("ca", "crl", "Sign a fresh list of revoked certificates."),
        "export": ("ca", "export", "Copy its certificates for clients, or a key to a safe place."),
        "passphrase": ("ca", "passphrase", "Change or remove the passphrase of its keys."),
        "rollover": ("ca", "rollover", "Replace it by a new one, or retire the old one."),
        "backup": ("backup", "backup", "Save it with inventory and configuration, encrypted."),
        "restore": ("backup", "restore", "Restore a backup, or prove that it can be restored."),
    },
)


def token_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options for a key in a PKCS #11 token."""
    existing = click.option("--existing-key", is_flag=True, help="Take the key that is in the token already.")
    token = click.option("--token", metavar="URI", help="Keep the key in this PKCS #11 token (RFC 7512).")
    return token(existing(command))


pin_option = click.option("--pin", metavar="SOURCE", help="PIN of the token; default: as --passphrase.")


def _token_key(text: str | None, *, exists: bool) -> "TokenKey | None":
    if text is None:
        if exists:
            raise UsageError("--existing-key", "goes with --token")
        return None
    from ..ca.token import TokenKey
    from ..pkcs11 import KeyUri

    return TokenKey(KeyUri.parse(text), exists)


# ``smtpcreds ca init``.


@click.command()
@click.option("--name", metavar="TEXT", help="Common name; default: the domain and 'Mail CA'.")
@click.option("--organization", metavar="TEXT", help="Organisation; default: none, which keeps the DN short.")
@click.option(
    "--key-type", metavar="TYPE", help="p256 (default), p384, rsa2048, rsa3072, rsa4096 or ed25519."
)
@click.option("--days", type=int, metavar="N", help="Lifetime; default: 3650.")
@passphrase_option
@click.option("--no-passphrase", is_flag=True, help="Store the key unencrypted.")
@weak_option
@click.option("--permit", "permitted_domains", multiple=True, metavar="DOMAIN", help="Certify DOMAIN only.")
@click.option("--no-name-constraints", "unconstrained", is_flag=True, help="Certify any name.")
@click.option("--addresses", is_flag=True, help="Certify IP addresses, too.")
@click.option("--intermediate", is_flag=True, help="Make a root and an issuing CA below it.")
@click.option("--force", is_flag=True, help="Make it although the authority of what lies here is lost.")
@token_options
@pin_option
@pass_session
def init(
    session: Session,
    /,
    passphrase: str | None,
    no_passphrase: bool,
    token: str | None,
    existing_key: bool,
    pin: str | None,
    **render_options: Any,
) -> None:
    """Make the authority: a private key, and the certificate that signs others."""
    from ..ca.create import create, new_authority
    from ..pki.describe import describe

    site = session.site()
    wanted = new_authority(site, **render_options, token=_token_key(token, exists=existing_key))
    if token and no_passphrase and not wanted.intermediate:
        raise UsageError("--no-passphrase", "contradicts --token; the PIN is --pin SOURCE")
    if pin and not token:
        raise UsageError("--pin", "goes with --token")
    secret, ask_pin = _new_secrets(site, wanted, passphrase, pin, none=no_passphrase)
    created = session.run(site, lambda work: create(work, wanted, secret, ask_pin))
    if created is None:
        return
    if not created.is_encrypted:
        warn_of_plain_key(site, None, none=no_passphrase)
    found = describe(created.certificate)
    limits = f"  certifies only {', '.join(found.permitted_domains)}" if found.permitted_domains else ""
    session.show(
        {
            "name": found.title,
            "key_type": found.key_type,
            "not_after": found.not_after,
            "fingerprint": found.fingerprint,
            "permitted_domains": found.permitted_domains,
            "encrypted": created.is_encrypted,
            "directory": site.ca_directory,
        },
        [
            f"{found.title}: certificate authority, {found.key_type}, valid to {found.not_after:%Y-%m-%d}",
            f"  {session.described(site.ca_directory)}",
            *([limits] if limits else []),
            *(_anew(site) if render_options["force"] else ["next: smtpcreds cert issue HOST"]),
        ],
    )


def _anew(site: "Site") -> Iterator[str]:
    """Yield the way from a new authority to the end of the one that was lost."""
    from .next_step import servers

    yield f"next: smtpcreds cert issue {site.hub} --force"
    for family in servers(site):
        yield f"      smtpcreds setup {site.hub} --mta {family} --force --edit --run"
    yield "      smtpcreds bundle HOST -o HOST.tar    for each client host"
    yield "      there: smtpcreds setup --client HOST.tar --force --edit --run"
    yield "      when each has its new certificate: smtpcreds ca rollover --retire-old --force"
    yield "      smtpcreds audit    names what is left, as the new CRL where a mail program has a copy"


def _new_secrets(
    site: "Site", wanted: "NewAuthority", passphrase: str | None, pin: str | None, *, none: bool
) -> "tuple[Passphrase, Passphrase]":
    """Return the questions for what encrypts key files, and for the PIN; each source is parsed once."""
    if wanted.token is None:
        return new_ca_passphrase(passphrase, site, none=none), lambda: None
    if wanted.intermediate:
        return new_ca_passphrase(passphrase, site, none=none), ca_passphrase(None, site, pin=pin).pin
    return (lambda: None), ca_passphrase(passphrase, site, pin=pin).pin


# ``smtpcreds ca rollover``.

_SHOWN = 20


@click.command()
@click.option("--retire-old", is_flag=True, help="Stop trusting the old authority; makes no new one.")
@click.option("--force", is_flag=True, help="Retire it although hosts use it; or roll over once more.")
@click.option("--clock-was-ahead", is_flag=True, help="It is not valid yet: retire it at once.")
@click.option("--name", metavar="TEXT", help="Common name; default: the present one and G2, G3.")
@click.option("--organization", metavar="TEXT", help="Organisation; default: that of the present one.")
@click.option("--key-type", metavar="TYPE", help="As for ca init; default: that of the present one.")
@click.option("--days", type=int, metavar="N", help="Lifetime; default: that of the present one.")
@click.option("--permit", "permitted", multiple=True, metavar="DOMAIN", help="Certify DOMAIN only.")
@click.option("--no-name-constraints", "unconstrained", is_flag=True, help="Certify any name.")
@click.option("--addresses", is_flag=True, help="Certify IP addresses, too.")
@click.option("--intermediate", is_flag=True, help="Make a root and an issuing CA where there was one CA.")
@click.option(
    "--new-root", is_flag=True, help="Make a new root too, not only an issuing CA below the old one."
)
@click.option("--root-key", metavar="FILE", help="The root's private key, where it is kept offline.")
@click.option("--root-passphrase", metavar="SOURCE", help="Opens the root key; default: as --passphrase.")
@token_options
@pin_option
@passphrase_option
@pass_session
def rollover(
    session: Session,
    /,
    retire_old: bool,
    force: bool,
    clock_was_ahead: bool,
    new_root: bool,
    root_key: str | None,
    root_passphrase: str | None,
    token: str | None,
    existing_key: bool,
    pin: str | None,
    passphrase: str | None,
    **render_options: Any,
) -> None:
    """Replace the authority by a new one, which signs from now on.

    The old one stays in every cacert.pem, so both are trusted while hosts get new certificates. Its key is
    kept with it, and goes on signing its CRL. When every host has changed: ca rollover --retire-old.
    """
    site = session.site()
    opens, key = ca_passphrase(passphrase, site, pin=pin), _token_key(token, exists=existing_key)
    root = _root_key(session, site, root_key, root_passphrase, new=new_root)
    if retire_old and clock_was_ahead:
        raise UsageError("--clock-was-ahead", "goes with a new authority", "leave --retire-old out")
    if retire_old:
        _retire(session, site, root, opens, force=force)
        return
    from ..ca.rollover import roll_over, successor

    rolled = session.run(
        site,
        lambda work: roll_over(
            work,
            successor(work, **render_options, token=key),
            root,
            again=force,
            clock_was_ahead=clock_was_ahead,
        ),
        opens,
        yes=force,
    )
    if rolled is not None:
        _show(session, rolled)


def _root_key(
    session: Session, site: "Site", path: str | None, passphrase: str | None, *, new: bool = False
) -> "RootKey":
    from ..ca.root import RootKey

    question = ca_passphrase(passphrase, site) if passphrase else None
    return RootKey(session.absolute(path) if path else None, question, new)


def _show(session: Session, rolled: "Rolled") -> None:
    from ..ca.old import RENEW_OLD, RETIRE_OLD
    from ..pki.describe import describe
    from ..shell import quote

    new, old = describe(rolled.certificate), describe(rolled.old)
    more = f" and {len(rolled.hosts) - _SHOWN} more" if len(rolled.hosts) > _SHOWN else ""
    hosts = f"    {', '.join(map(quote, rolled.hosts[:_SHOWN]))}{more}"
    steps = [f"      {RENEW_OLD}{hosts}"] if rolled.hosts else []
    if rolled.old_retired:
        fate, found = "was not valid yet, and is retired", "the new one is"
    else:
        fate, found = "is trusted until it is retired", "both are"
        steps = steps or [f"      {RETIRE_OLD}"]
    session.show(
        {
            "name": new.title,
            "key_type": new.key_type,
            "not_after": new.not_after,
            "fingerprint": new.fingerprint,
            "old_fingerprint": old.fingerprint,
            "old_retired": rolled.old_retired,
            "directories": rolled.directories,
            "hosts": rolled.hosts,
        },
        [
            f"{new.title}: signs from now on, {new.key_type}, valid to {new.not_after:%Y-%m-%d}",
            f"  the old one (sha256 {old.fingerprint[:16]}) {fate}",
            *(f"  {found} in {directory}/cacert.pem" for directory in rolled.directories),
            "next: smtpcreds ca export --to FILE    client hosts elsewhere need it first, as cacert.pem",
            *steps,
        ],
    )


def _retire(session: Session, site: "Site", root: "RootKey", opens: "Passphrase", *, force: bool) -> None:
    from ..ca.rollover import retire

    done = session.run(site, lambda work: retire(work, root, force=force), opens)
    if done is None:
        return
    session.show(
        {"retired": done.names, "revoked": done.revoked, "directories": done.directories},
        [
            *(f"{name}: retired" for name in done.names),
            *(f"  revoked by its root: {name}" for name in done.revoked),
            *(f"  taken out of {directory}/cacert.pem" for directory in done.directories),
        ]
        or ["no authority to retire"],
    )


# ``smtpcreds ca passphrase``.


@click.command()
@click.option("--new-passphrase", metavar="SOURCE", help="Encrypts the keys; default: asked on a terminal.")
@click.option("--remove", is_flag=True, help="Store the keys unencrypted.")
@weak_option
@passphrase_option
@pass_session
def passphrase(session: Session, new_passphrase: str | None, remove: bool, passphrase: str | None) -> None:
    """Encrypt every key of the authority under another passphrase, all of them or none."""
    from ..ca.authority import proven
    from ..ca.create import change_passphrase
    from ..ca.layout import ca_files

    if remove and new_passphrase:
        raise UsageError("--remove", "leaves no place for --new-passphrase")
    site = session.site()
    opens = proven(ca_passphrase(passphrase, site), ca_files(site).key)
    new = (lambda: None) if remove else changed_ca_passphrase(new_passphrase)
    paths = session.run(site, lambda work: change_passphrase(work, new), opens)
    if paths is None:
        return
    if site.settings.ca.passphrase:
        session.warn(
            f"{site.settings_path} says where the passphrase is (ca.passphrase); change it there too"
        )
    state = "unencrypted" if remove else "encrypted with the new passphrase"
    session.show({"keys": paths, "encrypted": not remove}, [f"{path}: {state}" for path in paths])


# ``smtpcreds ca export``.


@click.command()
@click.option("--to", "target", metavar="FILE", help="Write a new file; default: standard output.")
@click.option("--key", "what", flag_value="key", help="Copy the private key that signs, as a backup.")
@click.option("--root-key", "what", flag_value="root-key", help="Copy the root's private key.")
@click.option("--remove", is_flag=True, help="Remove the root key from this host once the copy is verified.")
@click.option("--new-passphrase", metavar="SOURCE", help="Encrypts the copy; default: as the key is.")
@weak_option
@passphrase_option
@pass_session
def export(
    session: Session,
    target: str | None,
    what: str | None,
    remove: bool,
    new_passphrase: str | None,
    passphrase: str | None,
) -> None:
    """Write all CA certificates that clients need, as PEM; or copy a private key to a safe place."""
    if remove and what != "root-key":
        raise UsageError("--remove", "goes with --root-key; the signing key has to stay on this host")
    if what:
        _key(session, what == "root-key", target, remove, new_passphrase, passphrase)
    elif new_passphrase:
        raise UsageError("--new-passphrase", "goes with --key or --root-key; certificates are no secret")
    else:
        _certificates(session, target)


def _certificates(session: Session, target: str | None) -> None:
    from ..ca.authority import CA
    from ..ca.export import bundle, export_bundle

    site = session.site()
    if target is None:
        text = bundle(CA(site)).decode()
        session.show({"certificates": text}, [text.removesuffix("\n")], verbatim=True)
        return
    place = session.absolute(target)
    path = session.run(site, lambda work: export_bundle(work, place), state=False)
    if path is not None:
        session.show({"file": path}, [session.described(path)])


def _key(
    session: Session,
    root: bool,
    target: str | None,
    remove: bool,
    new_passphrase: str | None,
    passphrase: str | None,
) -> None:
    from ..ca.authority import proven
    from ..ca.export import KeyCopy, export_key
    from ..ca.layout import ca_files

    if target is None:
        raise UsageError("ca export", "writes a private key to a file only", "give --to FILE")
    site = session.site()
    files = ca_files(site)
    opens = proven(ca_passphrase(passphrase, site), files.root_key if root else files.key)
    new = changed_ca_passphrase(new_passphrase) if new_passphrase else None
    copy = KeyCopy(root, session.absolute(target), new, remove)
    exported = session.run(site, lambda work: export_key(work, copy), opens)
    if exported is None:
        return
    if not exported.encrypted:
        session.warn(f"{exported.path}: this private key is not encrypted")
    gone = (
        [f"removed {exported.removed}; keep the copy offline, rollover needs it"] if exported.removed else []
    )
    session.show(
        {"file": exported.path, "encrypted": exported.encrypted, "removed": exported.removed},
        [session.described(exported.path), *gone],
    )


# ``smtpcreds ca show``.


@click.command()
@pass_session
def show(session: Session) -> None:
    """Show the authority: names, dates, limits, CRL, and how many certificates are in each state."""
    from ..ca.lookup import overview

    site = session.site()
    seen, now = overview(site), site.clock()
    lines = list(_lines(seen.signing, now))
    for superseded_ca in seen.superseded_cas:
        lines += ["", f"replaced, trusted until it is retired: {superseded_ca.found.title}"]
        lines += list(_lines(superseded_ca, now))[1:]
    lines += [f"retired: {_retired(found)}" for found in seen.retired]
    session.show(
        {
            **_row(seen.signing, now),
            "superseded": [_row(superseded_ca, now) for superseded_ca in seen.superseded_cas],
            "retired": [{"name": found.title, "fingerprint": found.fingerprint} for found in seen.retired],
        },
        lines,
        listed=True,
    )


def _row(seen: "Generation", now: "datetime") -> dict[str, object]:
    found, crl = seen.found, seen.crl
    return {
        "name": found.title,
        "subject": found.subject,
        "access_issuer": found.access_subject,
        "key_type": found.key_type,
        "serial": found.serial,
        "not_before": found.not_before,
        "not_after": found.not_after,
        "days_left": (found.not_after - now).days,
        "fingerprint": found.fingerprint,
        "public_key": found.public_id,
        "permitted_domains": found.permitted_domains,
        "path_length": found.path_length,
        "above": [{"name": ca.title, "not_after": ca.not_after} for ca in seen.above],
        "key": seen.key,
        "encrypted": seen.encrypted,
        "token": seen.token,
        "root_key": seen.root_key,
        "crl_number": crl and crl.number,
        "crl_next_update": crl and crl.next_update,
        "root_crl_number": seen.root_crl and seen.root_crl.number,
        "root_crl_next_update": seen.root_crl and seen.root_crl.next_update,
        "root_crl_revoked": seen.root_crl and seen.root_crl.revoked,
        "certificates": dict(seen.counts),
    }


def _lines(seen: "Generation", now: "datetime") -> Iterator[str]:
    found = seen.found
    yield f"{found.title}: certificate authority, {found.key_type}"
    yield f"  DN           {found.subject}"
    left = (found.not_after - now).days
    span = f"{found.not_before:%Y-%m-%d} to {found.not_after:%Y-%m-%d}"
    until = "expired" if left < 0 else f"{number_of(left, 'day')} left"
    yield f"  valid        {span}, {until}"
    yield f"  certifies    {', '.join(found.permitted_domains) or 'any name'}"
    yield f"  path length  {'any' if found.path_length is None else found.path_length}"
    yield f"  sha256       {found.fingerprint}"
    yield f"  public key   {found.public_id}"
    yield f"  access map   CertIssuer:{found.access_subject}"
    yield f"  key          {seen.token or f'{seen.key}, {_encryption(seen.encrypted)}'}"
    for ca in seen.above:
        yield f"  below        {ca.title}, valid to {ca.not_after:%Y-%m-%d}"
    if seen.above:
        yield f"  root key     {seen.root_key or 'offline'}"
        yield f"  root CRL     {_crl(seen.root_crl)}"
    yield f"  CRL          {_crl(seen.crl)}"
    counts = ", ".join(f"{number} {standing}" for standing, number in sorted(seen.counts.items()))
    yield f"  certificates {counts or 'none'}"


def _encryption(encrypted: bool | None) -> str:
    return "missing" if encrypted is None else "encrypted" if encrypted else "not encrypted"


def _crl(crl: "CurrentCrl | None") -> str:
    if crl is None:
        return "none"
    end = f"{crl.next_update:%Y-%m-%d}" if crl.next_update else "no time that it says"
    return f"number {crl.number}, {crl.revoked} revoked, valid to {end}"


def _retired(found: "Description") -> str:
    return f"{found.title}, sha256 {found.fingerprint[:16]}, valid to {found.not_after:%Y-%m-%d}"


# ``smtpcreds ca import``.


@click.command("import")
@click.argument("directory", metavar="[DIR]", required=False)
@click.option("--key", metavar="FILE", help="The CA's private key, in PEM.")
@click.option("--cert", "certificate", metavar="FILE", help="The CA's certificate.")
@click.option("--chain", metavar="FILE", help="The certificates above it, if it is not a root.")
@click.option("--token", metavar="URI", help="The CA's private key is in this PKCS #11 token (RFC 7512).")
@click.option("--import-passphrase", metavar="SOURCE", help="Opens the key; default: as --passphrase.")
@click.option(
    "--passphrase", metavar="SOURCE", help="Encrypts the key from now on; default: its present passphrase."
)
@click.option("--no-passphrase", is_flag=True, help="Store the key unencrypted.")
@weak_option
@pass_session
def import_(
    session: Session,
    directory: str | None,
    key: str | None,
    certificate: str | None,
    chain: str | None,
    token: str | None,
    import_passphrase: str | None,
    passphrase: str | None,
    no_passphrase: bool,
) -> None:
    """Take over the authority in DIR, or that of --key and --cert.

    DIR is of easy-rsa (pki), openssl ca (demoCA), step, mkcert, minica or certstrap. Certificates,
    revocations and the CRL number that are found there go on from where they are. DIR is not changed.
    """
    from ..ca.adopt import Named, adopt, survey
    from ..pkcs11 import KeyUri
    from ..pki.describe import describe

    site = session.site()
    paths = (path and session.absolute(path) for path in (directory, key, certificate, chain))
    theirs = survey(Named(*paths, is_in_token=token is not None))
    if token:
        uri = str(KeyUri.parse(token))
        opens = ca_passphrase(passphrase or import_passphrase, site)
        adopted = session.run(site, lambda work: adopt(work, theirs, lambda _: None, uri), opens)
    else:
        secrets = import_passphrases(import_passphrase, passphrase, site, none=no_passphrase)
        adopted = session.run(site, lambda work: adopt(work, theirs, secrets.keeping), secrets.opening)
    if adopted is None:
        return
    if not adopted.encrypted:
        warn_of_plain_key(site, None, none=no_passphrase)
    found = describe(adopted.certificate)
    end = f"valid to {found.not_after:%Y-%m-%d}"
    session.show(
        {
            "name": found.title,
            "from": adopted.peer,
            "key_type": found.key_type,
            "not_after": found.not_after,
            "fingerprint": found.fingerprint,
            "certificates": adopted.certificates,
            "revoked": adopted.revoked,
            "crl_number": adopted.crl_number,
            "encrypted": adopted.encrypted,
            "directory": site.ca_directory,
        },
        [
            f"{found.title}: imported from {adopted.peer}, {found.key_type}, {end}",
            f"  {session.described(site.ca_directory)}",
            f"  certificates known: {adopted.certificates}, revoked: {adopted.revoked}",
            "next: stop using the other program with this CA, and remove its copy of the key from this host",
            "      smtpcreds cert issue HOST",
        ],
    )


# ``smtpcreds ca crl``.

NOT_CURRENT = 1
"""Exit status of ``--check`` when a new CRL should be signed."""


@click.command()
@click.option("--days", type=int, metavar="N", help="Lifetime; default: 30.")
@click.option("--to", "target", metavar="FILE", help="Write one more copy, mode 0644.")
@click.option("--der", is_flag=True, help="Write that copy as DER, for publication by HTTP.")
@click.option("--check", is_flag=True, help="Sign nothing; exit status 1 if it is time for a new one.")
@click.option(
    "--force", is_flag=True, help="Sign although the last one has a date in the future: the clock was ahead."
)
@click.option("--root-key", metavar="FILE", help="The root's private key, to sign the root's CRL anew.")
@click.option("--root-passphrase", metavar="SOURCE", help="Opens the root key; default: as --passphrase.")
@click.option("--take", multiple=True, metavar="FILE", help="Install this CRL of a CA above ours.")
@reload_option
@passphrase_option
@pass_session
def crl(
    session: Session,
    days: int | None,
    target: str | None,
    der: bool,
    check: bool,
    force: bool,
    root_key: str | None,
    root_passphrase: str | None,
    take: tuple[str, ...],
    reload: str | None,
    passphrase: str | None,
) -> None:
    """Sign a fresh list of revoked certificates and install it beside the certificates."""
    from ..ca.publish import CrlWish, refresh_crl

    copy, above = session.absolute(target) if target else None, tuple(map(session.absolute, take))
    wish = CrlWish(days, copy, der, force, above)
    hook = reload_hook(reload)
    site = session.site()
    if check:
        if days or target or der or force or root_key or take or reload:
            raise UsageError("--check", "signs and writes nothing", "leave out the other options, or --check")
        _check(session, site)
        return
    root = _root_key(session, site, root_key, root_passphrase)
    opens = ca_passphrase(passphrase, site)
    done = session.run(site, lambda work: refresh_crl(work, wish, root=root, hook=hook), opens)
    if done is None:
        return
    lines = [
        *crl_lines(done),
        *([f"  {wish.copy}"] if wish.copy else []),
        *([] if hook else [reload_line(site)]),
    ]
    session.show({**crl_row(done), "copy": wish.copy, "reloaded": hook is not None}, lines)


def _check(session: Session, site: "Site") -> None:
    from ..ca.publish import is_current, standing_crl

    found, current = standing_crl(site), is_current(site)
    until = f"{found.next_update:%Y-%m-%d}" if found.next_update else "no end"
    session.show(
        {
            "current": current,
            "number": found.number,
            "this_update": found.this_update,
            "next_update": found.next_update,
            "count": found.count,
            "path": found.path,
        },
        [
            f"CRL number {found.number}: {found.count} revoked, valid to {until}",
            *([] if current else ["it is time for a new one: smtpcreds ca crl"]),
        ],
    )
    if not current:
        raise SystemExit(NOT_CURRENT)
