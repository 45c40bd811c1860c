"""``smtpcreds probe``."""

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import UnavailableError, number_of
from . import lazy_click as click
from .session import Session, Whole, pass_session

if TYPE_CHECKING:
    from ..bundle.open import Opened
    from ..config import Site
    from ..pki.names import Address
    from ..probe.asked import Envelope, Identity, ProbeRequest
    from ..probe.step import Step
    from ..probe.trust import Trust
    from ..smtp.connection import ClientFiles


# What a bundle gives a probe: who logs in, the certificate to present, and whom to trust.


class Given(NamedTuple):
    """What the client host of a bundle would use."""

    identity: "Identity | None"
    client: "ClientFiles | None"
    trust: "Trust"


def from_bundle(site: "Site", source: str, passphrase: str | None, name: "str | Address") -> Given:
    """Verify a bundle and return what is in it.

    Args:
        site: of this host.
        source: absolute path.
        passphrase: where it comes from, if the bundle is encrypted.
        name: that the server's certificate must be for.
    """
    from ..bundle.open import open_bundle
    from ..pki.crl import read_crl
    from ..probe.trust import Trust
    from .setup import bundle_content

    opened = open_bundle(site, bundle_content(source, source, passphrase), source)
    lists = tuple((found.name, read_crl(found.content, found.name, None)) for found in opened.lists)
    return Given(
        _identity_of_bundle(opened), _client_of_bundle(opened), Trust(opened.trust, lists, name, site.clock())
    )


def _identity_of_bundle(opened: "Opened") -> "Identity | None":
    """Return what the mail program would log in with."""
    from ..mta.placed import understood
    from ..probe.asked import Identity
    from ..secret import Secret
    from ..smtp.sasl import Login

    files = understood(opened.files)
    for path in opened.program.SECRET_FILES:
        found = opened.program.parse(path, files[path]) if path in files else {}
        secret = found.get("secret")
        if isinstance(secret, Secret):
            return Identity(Login(str(found["authcid"]), secret), str(found.get("realm", "")))
    return None


def _client_of_bundle(opened: "Opened") -> "ClientFiles | None":
    """Return the pair in memory: OpenSSL takes paths alone, and the key is not to touch the disk."""
    from ..pki.encoding import encode_certificates
    from ..smtp.connection import ClientFiles

    if opened.key is None:
        return None
    chain = encode_certificates((opened.certificate, *opened.above))
    return ClientFiles(_in_memory("certificate", chain), _in_memory("key", opened.key.reveal()))


def _in_memory(name: str, content: bytes) -> str:
    """Return a path of a file that ends with this process, and that others can't open."""
    from ..files import kernel

    if not kernel.HAS_MEMORY_FILES:
        hint = "set the host up first, smtpcreds setup --client BUNDLE, and probe without it"
        reason = "has a key that is not to touch the disk, and this kernel has no files in memory"
        raise UnavailableError("--bundle", reason, hint)
    descriptor = os.memfd_create(name)
    os.write(descriptor, content)
    return f"/proc/self/fd/{descriptor}"


MAX_SECONDS = 3600
_IN_BUNDLE = ("account", "password", "auth_info", "client", "cert", "key", "ca", "crl")
_MARKS = {"ok": "ok", "failed": "FAIL", "skipped": "-", "note": "note", "unknown": "?"}
NOT_KNOWN = 75
"""Exit status where the server answers later, perhaps (EX_TEMPFAIL)."""


@click.command()
@click.argument("url")
@click.option("--account", metavar="NAME[@REALM]", help="Log in as this account; also NAME@ in the URL.")
@click.option("--password", metavar="SOURCE", help="Its secret; default: the database's, or this host's.")
@click.option("--auth-info", metavar="FILE", help="Log in with a default-auth-info.")
@click.option("--bundle", metavar="FILE", help="Log in, present and trust what a bundle holds.")
@click.option("--passphrase", metavar="SOURCE", help="Opens an encrypted bundle.")
@click.option("--client", metavar="HOST", help="Present the installed certificate of HOST.")
@click.option("--cert", metavar="FILE", help="Present this certificate.")
@click.option("--key", metavar="FILE", help="Its key.")
@click.option("--revoked-cert", metavar="FILE", help="A revoked certificate, which must be refused.")
@click.option("--revoked-key", metavar="FILE", help="Its key.")
@click.option("--ca", metavar="FILE", help="Trust these CAs; default: cacert.pem of this host.")
@click.option("--crl", metavar="FILE", help="Their CRL; default: crl.pem of this host.")
@click.option("--name", metavar="NAME", help="The certificate must be for NAME, not for the URL's host.")
@click.option("--tlsa", metavar="'U S M HEX'", multiple=True, help="A TLSA record that must fit.")
@click.option("--mechanism", "mechanisms", metavar="M", multiple=True, help="Try M only.")
@click.option(
    "--negative/--no-negative", default=None, help="Try what must be refused; default with a login."
)
@click.option("--send", is_flag=True, help="Deliver a marked message.")
@click.option("--from", "sender", metavar="ADDRESS", help="Its sender; default: postmaster of this host.")
@click.option("--to", "recipient", metavar="ADDRESS", help="Its recipient.")
@click.option("--no-tls", is_flag=True, help="Do not use TLS.")
@click.option("--insecure-send-password", is_flag=True, help="Send the password to an unverified server.")
@click.option(
    "--timeout",
    metavar="SECONDS",
    type=click.FloatRange(0, MAX_SECONDS, min_open=True),
    default=30.0,
    help="Timeout of each step; default: 30.",
)
@pass_session
def probe(session: Session, /, url: str, **options: Any) -> None:
    """Try the server at URL over a real connection, step by step.

    URL is smtp://HOST[:PORT] or smtp+tls://HOST[:PORT] for STARTTLS, or smtps://HOST[:PORT]. The exit status
    is 1 if any step fails, and 75 if the server does not answer now (421, 454).
    """
    from ..probe.run import intended, verify_allowed
    from ..probe.run import probe as carry_out
    from ..probe.step import Outcome

    asked = _asked(session, session.site(), url, options)
    if session.dry_run:
        verify_allowed(asked)
        session.show_changes(intended(asked))
        return
    verify_allowed(asked)
    _say_beforehand(session, asked)
    steps = carry_out(asked, lambda step: session.note(_line(step, 0)))
    failed = sum(step.outcome is Outcome.FAILED for step in steps)
    is_known = not any(step.outcome is Outcome.UNKNOWN for step in steps)
    answer = _data(asked, steps, failed, is_known=is_known)
    session.show(answer, _lines(asked, steps, failed), listed=True)
    if failed or not is_known:
        raise SystemExit(1 if failed else NOT_KNOWN)


def _say_beforehand(session: Session, asked: "ProbeRequest") -> None:
    from ..probe.run import connections

    if not (session.quiet or session.as_json):
        number = connections(asked)
        times = "1 connection" if number == 1 else f"up to {number} connections"
        click.echo(f"smtpcreds: opens {times} to {asked.target}", err=True)


def _asked(session: Session, site: "Site", url: str, options: dict[str, Any]) -> "ProbeRequest":
    from ..deploy.role import at_hub
    from ..pki.tlsa import parse_association
    from ..probe.asked import ProbeRequest, parse_mechanism, parse_name, parse_target

    target = parse_target(site, url, clear=options["no_tls"])
    mechanisms = tuple(map(parse_mechanism, options["mechanisms"]))
    tlsa = tuple(map(parse_association, options["tlsa"]))
    envelope = _envelope(site, options)
    name = parse_name(site, options["name"] or target.host)
    site = at_hub(site, str(name))
    identity, client, trust = _given(session, site, name, target.account, options)
    revoked = _pair(options, "revoked_cert", "revoked_key")
    negative = options["negative"]
    return ProbeRequest(
        target=target,
        trust=trust,
        hello=site.own_name,
        identity=identity,
        client=client,
        revoked=revoked,
        tlsa=tlsa,
        mechanisms=mechanisms,
        negative=bool(identity or client or revoked) if negative is None else negative,
        insecure=options["insecure_send_password"],
        envelope=envelope,
        seconds=options["timeout"],
    )


def _given(
    session: Session, site: "Site", name: "str | Address", account: str, options: dict[str, Any]
) -> "Given":
    """Return who logs in, with which certificate, and whom to trust."""
    from ..errors import UsageError
    from ..probe.trust import gather

    if options["bundle"]:
        others = [option for option in _IN_BUNDLE if options[option]]
        if others or account:
            what = f"--{others[0].replace('_', '-')}" if others else "the account in the URL"
            raise UsageError("--bundle", f"brings account, certificate and CA; leave {what} out")
        return from_bundle(site, session.absolute(options["bundle"]), options["passphrase"], name)
    if options["passphrase"]:
        raise UsageError("--passphrase", "opens a bundle", "--bundle FILE")
    trust = gather(site, name, options["ca"], options["crl"])
    return Given(_identity(site, account, options), _client(site, options), trust)


def _identity(site: "Site", named: str, options: dict[str, Any]) -> "Identity | None":
    from ..errors import UsageError
    from ..probe.session import of_account, of_file
    from ..sources import Context, parse_source, resolve

    account = options["account"] or named
    source = parse_source(options["password"]) if options["password"] else None
    if options["account"] and named:
        raise UsageError("--account", "contradicts the account in the URL; give one of them")
    if options["auth_info"]:
        if account or source:
            raise UsageError("--auth-info", "names the account and its secret; give nothing else")
        return of_file(options["auth_info"])
    if not account:
        if source:
            raise UsageError("--password", "needs an account", "--account NAME")
        return None
    context = Context(f"password of {account}")
    return of_account(site, account, (lambda: resolve(source, context)) if source else None)


def _client(site: "Site", options: dict[str, Any]) -> "ClientFiles | None":
    from ..errors import UsageError
    from ..probe.session import of_host

    pair = _pair(options, "cert", "key")
    if pair and options["client"]:
        raise UsageError("--client", "contradicts --cert; give one of them")
    return of_host(site, options["client"]) if options["client"] else pair


def _pair(options: dict[str, Any], certificate: str, key: str) -> "ClientFiles | None":
    from ..errors import UsageError
    from ..probe.session import of_pair

    given = options[certificate], options[key]
    if not any(given):
        return None
    if not all(given):
        names = (f"--{name.replace('_', '-')}" for name in (certificate, key))
        raise UsageError(" and ".join(names), "go together; give both")
    return of_pair(*given)


def _envelope(site: "Site", options: dict[str, Any]) -> "Envelope | None":
    from ..errors import UsageError
    from ..probe.asked import Envelope, parse_mailbox

    sender, recipient = options["sender"], options["recipient"]
    if not options["send"]:
        if sender or recipient:
            raise UsageError("--from and --to", "go with --send", "--send")
        return None
    if not recipient:
        raise UsageError("--send", "needs a recipient", "--to ADDRESS")
    return Envelope(parse_mailbox(sender or f"postmaster@{site.own_name}"), parse_mailbox(recipient))


def _data(asked: "ProbeRequest", steps: "list[Step]", failed: int, *, is_known: bool) -> dict[str, object]:
    return {
        "target": str(asked.target),
        "name": str(asked.trust.name),
        "account": asked.identity.login.authcid if asked.identity else None,
        "ok": is_known and not failed,
        "steps": [
            {
                "step": step.name,
                "outcome": step.outcome,
                "detail": step.detail,
                "milliseconds": step.milliseconds,
                "cause": step.cause or None,
                "cure": step.cure or None,
            }
            for step in steps
        ],
    }


def _lines(asked: "ProbeRequest", steps: "list[Step]", failed: int) -> list[str]:
    who = f" as {asked.identity.login.authcid}" if asked.identity else ""
    width = max(len(step.name) for step in steps)
    lines = [f"{asked.target}, {asked.target.security}{who}"]
    for step in steps:
        lines.append(_line(step, width))
        lines += [f"      cause: {step.cause}"] if step.cause else []
        lines += [Whole(f"      cure: {step.cure}")] if step.cure else []
    ran = sum(step.outcome != "skipped" for step in steps)
    if steps and steps[-1].outcome == "unknown" and not failed:
        return [
            *lines,
            f"not known: the server does not answer now; {number_of(ran - 1, 'step')} before that passed",
        ]
    if failed:
        return [*lines, f"{failed} of {ran} steps failed"]
    notes = [step.name for step in steps if step.outcome == "note"]
    if notes:
        return [*lines, f"none of {ran} steps failed; see the notes: {', '.join(notes)}"]
    return [*lines, f"all {ran} steps are as they should be"]


def _line(step: "Step", width: int) -> str:
    return f"{_MARKS[step.outcome]:4}  {step.name:{width}}  {step.milliseconds:7.1f} ms  {step.detail}"
