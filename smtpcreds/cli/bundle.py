"""``smtpcreds bundle``."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from ..shell import quote
from . import lazy_click as click
from .mta import client_options, remaining_row, wishes_of
from .secrets import bundle_passphrase, ca_passphrase, weak_option
from .session import Session, pass_session

if TYPE_CHECKING:
    from datetime import datetime

    from ..bundle.make import Bundled, BundleRequest, Delivery, Encryption
    from ..ca.requests import Csr
    from ..config import Site
    from ..deploy.delivery import Handover
    from ..mta.program import Program

STREAM = "-"
CURRENT = b"current\n"
"""What a client host is told that has its bundle already; an empty answer would look like a full disk."""


@click.command()
@click.argument("host")
@click.option(
    "--mta",
    metavar="PROGRAM",
    help="The host's mail program; default: that of its last bundle, else Sendmail.",
)
@click.option("--csr", metavar="FILE", help="Sign this request of HOST, which keeps its own key.")
@click.option("--no-key", is_flag=True, help="Put in the certificate that HOST has, without a key.")
@click.option("--new-key", is_flag=True, help="Issue another certificate, with a new key.")
@click.option(
    "--days", type=int, metavar="N", help="Lifetime of new certificates; default: as before, or 365."
)
@client_options
@click.option("--defaults", is_flag=True, help="Without what HOST's last bundle was told, but its program.")
@click.option("-o", "--output", metavar="FILE", help="Write FILE, mode 0600, or - for standard output.")
@click.option("--passphrase", metavar="SOURCE", help="Encrypt the archive as age does, under a passphrase.")
@weak_option
@click.option(
    "--recipient", "recipients", multiple=True, metavar="KEY", help="Encrypt it for this age or SSH key."
)
@click.option("--ca-passphrase", metavar="SOURCE", help="Where the CA key's passphrase comes from.")
@click.option("--force", is_flag=True, help="Replace FILE.")
@click.option("--authorize", metavar="KEY.pub", help="Let HOST fetch its bundles over ssh with this key.")
@click.option("--to", metavar="FILE", help="With --authorize: add the line to this authorized_keys.")
@click.option("--as-root", is_flag=True, help="With --authorize: for the authorized_keys of root, no sudo.")
@click.option("--own-account", is_flag=True, help="Give HOST an account of its own, named as the host is.")
@click.option("--serve", is_flag=True, help="Hand HOST its bundle, as the command that sshd runs.")
@pass_session
def bundle(
    session: Session,
    /,
    host: str,
    mta: str | None,
    csr: str | None,
    no_key: bool,
    new_key: bool,
    days: int | None,
    defaults: bool,
    output: str | None,
    passphrase: str | None,
    recipients: tuple[str, ...],
    ca_passphrase: str | None,
    force: bool,
    authorize: str | None,
    to: str | None,
    as_root: bool,
    own_account: bool,
    serve: bool,
    **options: Any,
) -> None:
    """Put all that the client host HOST needs into one archive: CA, certificate and key, account, README.

    Extract it on that host at /: tar -xpf FILE -C /. A key that is made for it is kept nowhere else.
    """
    from dataclasses import replace

    from ..bundle.contents import CertificateOptions
    from ..bundle.make import make_bundle
    from ..deploy.last_bundle import last_bundle

    site = session.site()
    if serve:
        _serve(session, site, host, ca_passphrase)
        return
    if (to or as_root) and not authorize:
        raise UsageError("--to, --as-root", "say where the key of --authorize goes", "--authorize KEY.pub")
    if sum((bool(csr), no_key, new_key)) > 1:
        raise UsageError("--csr, --no-key, --new-key", "contradict each other; give one of them")
    if own_account:
        options["account"] = _own_account(site, host, options)
    last = last_bundle(site, site.qualify(host))
    if defaults and last:
        last = replace(last, account="", days=None, options="", login="")
    terms = CertificateOptions(bool(csr), new_key, not no_key)
    wanted = replace(
        _wanted(session, site, host, mta, csr, terms, days, options, last), own_account=own_account
    )
    if authorize:
        _refuse_of_one_archive(csr, no_key, new_key, options["password"], output, passphrase, recipients)
        as_root = as_root or bool(last and last.login == "root")
        _authorize(session, site, wanted, authorize, to, ca_passphrase, as_root=as_root)
        return
    encryption = _seal(passphrase, recipients)
    path = _path(session, output, wanted, sealed=bool(passphrase or recipients))
    delivery = _delivery(session, path, encryption, force=force)
    done = session.run(
        site,
        lambda work: make_bundle(work, wanted, delivery),
        _ca(ca_passphrase, site),
        look_first=path is None,
    )
    if done is not None and not (path is None and session.quiet):
        _show(session, wanted, done, path, _opened(path, passphrase, recipients))


def _own_account(site: "Site", host: str, options: dict[str, Any]) -> str:
    """Return the name of a host's own account: its short name inside the domain."""
    if options["account"] or options["password"]:
        raise UsageError("--own-account", "is named as the host is, and its secret is made here")
    from ..ca.layout import pair_of

    return pair_of(site, site.qualify(host)).stem.rpartition("/")[2]


def _refuse_of_one_archive(
    csr: str | None, no_key: bool, new_key: bool, password: str | None, *archive: object
) -> None:
    """Refuse with --authorize what says something of an archive that is made now, and of that alone."""
    if password:
        reason = "is kept nowhere, so the bundles that the host fetches could not hold it"
        raise UsageError("--password", reason, "leave it out; the account database has the secret")
    if csr or no_key or new_key or any(archive):
        reason = "makes no archive now; the host fetches its own, with the key that is made for it here"
        options = "--csr, --no-key, --new-key, -o, --passphrase and --recipient"
        raise UsageError("--authorize", reason, f"leave out {options}")


def _authorize(
    session: Session,
    site: "Site",
    wanted: "BundleRequest",
    key: str,
    to: str | None,
    passphrase: str | None,
    *,
    as_root: bool,
) -> None:
    from dataclasses import replace

    from ..bundle.pull import LOGIN, authorize, key_line, parse_key
    from ..files import read_public
    from .printed_commands import whole_program

    path = session.absolute(key)
    command = f"{whole_program(session.root, session.config)} bundle {wanted.order.host} --serve"
    started = command if as_root else f"sudo -n {command}"
    line = key_line(started, parse_key(read_public(path).decode(errors="replace"), path), wanted.order.host)
    asked = replace(wanted, login="root" if as_root else LOGIN)
    target = session.absolute(to) if to else None
    done = session.run(
        site, lambda work: authorize(work, asked, line, target), _ca(passphrase, site), look_first=True
    )
    if done is None:
        return
    hub = f"{'root@' if as_root else ''}{site.hub}"
    told = (
        f"{done.host}: {'may fetch its bundles' if done.is_new else 'was authorized'}; {done.added}",
        f"next: on {done.host}: smtpcreds setup --client ssh://{hub} --edit --run",
        "      where that is not installed, and for the account on this host: man smtpcreds-bundle",
    )
    session.show(
        {"host": done.host, "line": done.line, "file": done.added or None, "added": done.is_new},
        told if done.added else [done.line],
    )


def _serve(session: Session, site: "Site", host: str, passphrase: str | None) -> None:
    from ..bundle.pull import MAX_WORD, parse_have, serve

    if not session.dry_run:
        session.refuse_reveal()
    have = parse_have(_said(MAX_WORD))
    data = session.run(site, lambda work: serve(work, site.qualify(host), have), _ca(passphrase, site))
    if data is not None:
        session.reveal(data or CURRENT)


def _said(most: int) -> bytes:
    """Return the line that a client host says; nothing where it says none within a while."""
    import os
    from select import select

    said = b""
    while len(said) < most and not said.endswith(b"\n") and select([sys.stdin], [], [], 30)[0]:
        if not (more := os.read(sys.stdin.fileno(), most - len(said))):
            break
        said += more
    return said


_ca = ca_passphrase
"""The option's parameter hides the function's name."""


def _wanted(
    session: Session,
    site: "Site",
    host: str,
    mta: str | None,
    csr: str | None,
    terms: Any,
    days: int | None,
    options: dict[str, Any],
    last: "Handover | None",
) -> "BundleRequest":
    from ..bundle.make import BundleRequest
    from ..ca.issue import CertificateOptions, order
    from ..deploy.last_bundle import told_again
    from ..mta.program import Role
    from ..mta.programs import program_for

    program = program_for(mta or (last.program if last else "sendmail"), Role.CLIENT)
    days = last.days if days is None and last else days
    wanted = order(site, host, CertificateOptions(days=days))
    given = wishes_of(host=host, **options)
    complete = told_again(site, given, last, program) if last else given
    asked_csr = _petition(session, site, csr, wanted.host, days) if csr else None
    return BundleRequest(wanted, program, complete, terms, asked_csr, days=days, given=given)


def _petition(session: Session, site: "Site", csr: str, host: str, days: int | None) -> "Csr":
    """Read the request, of whose names only that of the host is taken."""
    from ..ca.requests import read_petition
    from ..pki.profiles import CLIENT

    asked_csr = read_petition(site, session.absolute(csr), CLIENT, days=days, only=(host,))
    for item in asked_csr.ignored:
        session.warn(f"{csr}: ignored: {item}")
    return asked_csr


def _seal(passphrase: str | None, recipients: tuple[str, ...]) -> "Encryption":
    """Return how the archive is encrypted."""
    from ..bundle import archive
    from ..bundle.make import Encryption

    if passphrase and recipients:
        raise UsageError("--recipient", "age opens a file by keys or by a passphrase, not by both")
    if recipients:
        archive.check_recipients(recipients)
    if passphrase:
        archive.check_available()
    return Encryption(bundle_passphrase(passphrase, new=True) if passphrase else None, recipients)


def _path(session: Session, output: str | None, wanted: "BundleRequest", *, sealed: bool) -> str | None:
    from ..bundle.archive import SUFFIX

    if output == STREAM:
        return None
    return session.absolute(output or f"{wanted.order.host.partition('.')[0]}.tar{SUFFIX if sealed else ''}")


def _delivery(session: Session, path: str | None, encryption: "Encryption", *, force: bool) -> "Delivery":
    from ..bundle.make import Delivery
    from ..files import explained

    if path:
        return Delivery(encryption, path, force)
    if not session.dry_run:
        if sys.stdout.isatty():
            raise UsageError("standard output", "is a terminal, and an archive is not text", "-o FILE")
        session.refuse_reveal()

    def write(data: bytes) -> None:
        with explained("standard output"):
            session.reveal(data)

    return Delivery(encryption, write=write)


def _opened(path: str | None, passphrase: str | None, recipients: tuple[str, ...]) -> str:
    """Return the command that unpacks the archive, on the client host."""
    name = _name(path or STREAM)
    if passphrase or recipients:
        return f"age -d {'-i KEY ' if recipients else ''}{name} | tar -xpf - -C /"
    return f"tar -xpf {name} -C /"


def _name(path: str) -> str:
    """Return the last part of a path, so that it can be typed."""
    name = quote(path.rpartition("/")[2])
    return f"./{name}" if name.startswith("-") and path != STREAM else name


def _show(session: Session, wanted: "BundleRequest", done: "Bundled", path: str | None, opened: str) -> None:
    from ..mta import placed

    facts, credentials = done.facts, done.credentials
    account = str(facts.credential.account) if facts.credential else None
    work = placed.work(wanted.program, facts)
    session.show(
        {
            "host": facts.host,
            "program": wanted.program.NAME,
            "account": account,
            "file": path,
            "certificate": {
                "serial": credentials.serial,
                "not_after": credentials.certificate.not_valid_after_utc,
                "origin": done.origin.name.lower(),
                "previous": done.previous or None,
            },
            "with_key": credentials.key is not None,
            "options": done.options,
            "authority": {"sha256": done.fingerprint},
            "crl_next_update": done.crl_end,
            "members": done.paths,
            **remaining_row(work.includes, work.commands, work.usage),
        }
        if path
        else {},
        _lines(session, wanted, done, path, opened),
        aside=path is None,
    )


def _lines(
    session: Session, wanted: "BundleRequest", done: "Bundled", path: str | None, opened: str
) -> Iterator[str]:
    from ..bundle.archive import README

    facts, credentials = done.facts, done.credentials
    key = "with its key" if credentials.key else "without a key"
    end = f"{credentials.certificate.not_valid_after_utc:%Y-%m-%d}"
    yield f"{facts.host}: {wanted.program.NAME}, certificate valid to {end}, {key}"
    if facts.credential:
        yield f"  account {facts.credential.account}"
    yield f"  authority SHA-256 {done.fingerprint}"
    if done.options:
        yield f"  told, now and for its next one: {done.options}"
    if path:
        yield f"  {session.described(path)}"
        force = " --force" if done.previous and credentials.key else ""
        yield f"next: {opened} on {facts.host}, then what /{README} says;"
        yield f"      or on {facts.host}: smtpcreds setup --client {_name(path)} --edit --run{force}"
    yield from _of_crl(wanted.program, done, session.site().clock())
    if done.previous:
        yield f"      once the new certificate is in use: smtpcreds cert revoke {done.previous}"


def _of_crl(program: "Program", done: "Bundled", now: "datetime") -> Iterator[str]:
    """Say what keeps mail going if the CRL ends before the certificate does."""
    from ..mta.program import reads_crl

    end = done.credentials.certificate.not_valid_after_utc
    if done.crl_end and done.crl_end < end and reads_crl(program, done.facts):
        days = (end - now).days + 2
        yield f"      its CRL ends on {done.crl_end:%Y-%m-%d}, and mail stops: copy a new one there before,"
        yield f"      or smtpcreds ca crl --days {days}, and bundle again"
