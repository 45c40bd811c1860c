"""``smtpcreds cert export``, ``request``, ``install`` and ``sign``: certificates that come or go."""

import sys
from typing import TYPE_CHECKING

from ..errors import UsageError
from . import lazy_click as click
from .framework import PROFILES, yes_option
from .secrets import ca_passphrase, export_password, passphrase_option, weak_option
from .session import Session, pass_session

if TYPE_CHECKING:
    from ..ca.answers import Installed
    from ..ca.requests import SignedCsr


# ``smtpcreds cert export``.

_FORMATS = ("pem", "p12", "p12-compat", "der")


@click.command()
@click.argument("which")
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="pem", help="Default: pem.", show_choices=True
)
@click.option("--with-key", is_flag=True, help="Also the private key; p12 always has it.")
@click.option("--password", metavar="SOURCE", help="Protects the key; p12 asks for one on a terminal.")
@weak_option
@click.option("--to", "target", metavar="FILE", help="Write FILE with mode 0600; default: standard output.")
@click.option("--force", is_flag=True, help="Replace FILE.")
@pass_session
def export(
    session: Session,
    which: str,
    form: str,
    with_key: bool,
    password: str | None,
    target: str | None,
    force: bool,
) -> None:
    """Write the certificate WHICH, named as for cert show, in another form.

    pem has the certificate and those between it and the root, der the certificate alone. p12 is PKCS #12 with
    the key and everything above, p12-compat the same in the weak encryption that old programs need.
    """
    from ..ca.export import FORMS
    from ..ca.export import export as exported
    from ..ca.lookup import find
    from ..pki.names import title

    site, chosen = session.site(), FORMS[form]
    secret = with_key or bool(chosen.has_key)
    path = session.absolute(target) if target else None
    ask = export_password(password, needed=chosen.locked, useful=secret)
    if path is None:
        _verify_output(session, secret=secret, text=chosen.is_text)
    found = find(site, which, session.absolute(which))
    content = session.run(
        site,
        lambda work: exported(work, found, chosen, ask, with_key=with_key, target=path, force=force),
        state=False,
    )
    if content is not None:
        _show_exported(session, title(found.certificate), form, content, path, secret=secret)


def _verify_output(session: Session, *, secret: bool, text: bool) -> None:
    if session.as_json and not text and not secret:
        raise UsageError("--json", "DER is not printed as JSON", "--to FILE")
    if not text and not session.dry_run and sys.stdout.isatty():
        raise UsageError("standard output", "is a terminal, and this form is not text", "--to FILE")
    if secret:
        session.reveal(b"")


def _show_exported(
    session: Session, name: str, form: str, content: bytes, path: str | None, *, secret: bool
) -> None:
    if path:
        data = {"certificate": name, "format": form, "with_key": secret, "file": path}
        what = f"{form}{' with the key' if secret else ''}"
        session.show(data, [f"{name}: {what}", f"  {session.described(path)}"])
    elif secret:
        session.reveal(content)
    elif session.as_json:
        session.show({"certificate": name, "format": form, "pem": content.decode("ascii")}, ())
    else:
        click.echo(content, nl=False)


# ``smtpcreds cert install``.


@click.command()
@click.argument("file")
@click.option("--host", metavar="HOST", help="Whose certificate it is; default: found by its key.")
@click.option("--chain", metavar="FILE", help="More CA certificates above it.")
@click.option("--ca", metavar="FILE", help="The root of the CA, and others.")
@click.option("--key", metavar="FILE", help="Its private key, which another program made, as certbot does.")
@click.option("--server", "profile", flag_value="server", help="For the server role only.")
@click.option("--client", "profile", flag_value="client", help="For the client role only.")
@click.option("--to", "target", metavar="DIR", help="The key is in DIR, not in /etc/mail/certs.")
@pass_session
def install(
    session: Session,
    file: str,
    host: str | None,
    chain: str | None,
    ca: str | None,
    key: str | None,
    profile: str | None,
    target: str | None,
) -> None:
    """Install the certificate in FILE, which another CA made from a request.

    It must belong to a key that is here or comes with --key, be for the host and both roles, and lead to a
    root: of FILE, --chain or --ca, or one that is trusted already. Otherwise nothing is changed.
    """
    from ..ca.answers import Sources, install_answer
    from ..pki.profiles import parse_profile

    site = session.site()
    more = tuple(session.absolute(path) for path in (chain, ca) if path)
    directory = session.absolute(target) if target else None
    brought = session.absolute(key) if key else None
    role = parse_profile(profile or "relay")
    sources = Sources(session.absolute(file), role, host, directory, more, brought)
    installed = session.run(site, lambda work: install_answer(work, sources))
    if installed is not None:
        _show_installed(session, installed, sources.profile.name, sources.profile.label)


def _show_installed(session: Session, installed: "Installed", profile: str, label: str) -> None:
    from ..pki.describe import describe

    answer = installed.answer
    found = describe(answer.certificate)
    added = [describe(ca) for ca in installed.added]
    session.show(
        {
            "host": answer.host,
            "profile": profile,
            "names": [*found.dns_names, *found.addresses],
            "serial": found.serial,
            "issuer": found.issuer,
            "not_before": found.not_before,
            "not_after": found.not_after,
            "fingerprint": found.fingerprint,
            "key": answer.pair.key,
            "certificate": answer.pair.certificate,
            "trusted": [{"subject": ca.subject, "fingerprint": ca.fingerprint} for ca in added],
        },
        [
            f"{answer.host}: {label} of {found.issuer}, valid to {found.not_after:%Y-%m-%d}",
            f"  {session.described(answer.pair.key)}",
            f"  {session.described(answer.pair.certificate)}",
            *(f"  cacert.pem now also holds {ca.subject}, SHA-256 {ca.fingerprint}" for ca in added),
            *(
                ["  servers of it are trusted; its client certificates do not allow relaying"]
                if added
                else []
            ),
            "next: reload the mail server",
        ],
    )


# ``smtpcreds cert request``.


@click.command()
@click.argument("host")
@click.option(
    "--san", "alternatives", multiple=True, metavar="NAME", help="One more host name or IP address."
)
@click.option(
    "--key-type", metavar="TYPE", help="p256 (default), p384, rsa2048, rsa3072, rsa4096 or ed25519."
)
@click.option("--new-key", is_flag=True, help="Make a new key although there is one.")
@click.option("--to", "target", metavar="DIR", help="Write into DIR, not into /etc/mail/certs.")
@click.option("--force", is_flag=True, help="Replace a key that waits for its certificate.")
@pass_session
def request(
    session: Session,
    host: str,
    alternatives: tuple[str, ...],
    key_type: str | None,
    new_key: bool,
    target: str | None,
    force: bool,
) -> None:
    """Make a key for HOST, and the request that another CA makes its certificate from.

    A key that is there already is used again. The answer is installed with cert install.
    """
    from ..ca.issue import CertificateOptions, order
    from ..ca.requests import CsrOptions
    from ..ca.requests import request as ask
    from ..pki.keys import parse_key_type

    site = session.site()
    directory = session.absolute(target) if target else None
    wanted = order(
        site, host, CertificateOptions(alternatives=alternatives, key_type=key_type, directory=directory)
    )
    asked_type = parse_key_type(key_type) if key_type else None
    wish = CsrOptions(wanted, asked_type, new_key or force, force)
    asked = session.run(site, lambda work: ask(work, wish))
    if asked is None:
        return
    path = wanted.pair.request
    was = "" if asked.made_key else "  (was there)"
    session.show(
        {
            "host": wanted.host,
            "names": wanted.names,
            "key_type": asked.key_label,
            "key": asked.key_path,
            "made_key": asked.made_key,
            "request": path,
            "changed": asked.changed,
            "pem": asked.pem.decode("ascii"),
        },
        [
            f"{wanted.host}: request for {', '.join(wanted.names)}, {asked.key_label}",
            f"  {session.described(asked.key_path)}{was}",
            f"  {session.described(path)}{'' if asked.changed else '  (unchanged)'}",
            "next: send the request to the CA; then: smtpcreds cert install FILE" + _place(target),
        ],
    )


def _place(target: str | None) -> str:
    return f" --to {target}" if target else ""


# ``smtpcreds cert sign``.


@click.command()
@click.argument("csr")
@click.option("--server", is_flag=True, help="For the server role.")
@click.option("--client", is_flag=True, help="For the client role; the default.")
@click.option(
    "--san", "only", multiple=True, metavar="NAME", help="Certify only this of the names that CSR asks for."
)
@click.option("--days", type=int, metavar="N", help="Lifetime; default: 365.")
@click.option("--to", "target", metavar="FILE", help="Write FILE; default: standard output.")
@click.option("--force", is_flag=True, help="Replace FILE.")
@yes_option
@passphrase_option
@pass_session
def sign(
    session: Session,
    csr: str,
    server: bool,
    client: bool,
    only: tuple[str, ...],
    days: int | None,
    target: str | None,
    force: bool,
    yes: bool,
    passphrase: str | None,
) -> None:
    """Sign CSR, the request of a host that keeps its own key, for the client role.

    The key is taken from it, after proof that the host has it, and the names of single hosts that no other
    key has in a live certificate. Any other name, wildcard or address has to be repeated with --san.
    """
    from ..ca.requests import read_petition, sign_request
    from ..pki.profiles import parse_profile

    site = session.site()
    asked_csr = read_petition(
        site,
        session.absolute(csr),
        parse_profile(PROFILES[server, client or not server]),
        days=days,
        only=only,
        target=session.absolute(target) if target else None,
    )
    for item in asked_csr.ignored:
        session.warn(f"{csr}: ignored: {item}")
    granted = session.run(
        site,
        lambda work: sign_request(work, asked_csr, force=force),
        ca_passphrase(passphrase, site),
        yes=yes,
    )
    if granted is not None:
        _show_signed(session, granted)


def _show_signed(session: Session, granted: "SignedCsr") -> None:
    from ..pki.describe import describe

    asked_csr, found = granted.asked_csr, describe(granted.certificate)
    to_stdout = asked_csr.target is None and not session.as_json
    if to_stdout:
        click.echo(granted.pem, nl=False)
    end = f"valid to {found.not_after:%Y-%m-%d}{' (the end of the CA)' if granted.shortened else ''}"
    session.show(
        {
            "host": asked_csr.request.name,
            "profile": asked_csr.profile.name,
            "names": asked_csr.names,
            "key_type": found.key_type,
            "serial": found.serial,
            "not_before": found.not_before,
            "not_after": found.not_after,
            "shortened": granted.shortened,
            "fingerprint": found.fingerprint,
            "ignored": asked_csr.ignored,
            "file": asked_csr.target,
            "pem": granted.pem.decode("ascii"),
        },
        [
            f"{asked_csr.request.name}: {asked_csr.profile.label}, {found.key_type}, {end}",
            f"  for {', '.join(asked_csr.names)}",
            *([f"  {session.described(asked_csr.target)}"] if asked_csr.target else []),
        ],
        aside=to_stdout,
    )
