"""``smtpcreds bundle``."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from ..errors import UsageError
from ..shell import quote
from .framework import Verb
from .mta import client_options, remaining_row, wishes_of
from .secrets import bundle_passphrase, ca_passphrase
from .session import Session, pass_session

if TYPE_CHECKING:
    from datetime import datetime

    from ..bundle.make import Bundled, BundleRequest, Delivery, Encryption
    from ..ca.requests import Csr
    from ..config import Site
    from ..mta.program import Program

STREAM = "-"


@click.command(cls=Verb)
@click.argument("host")
@click.option(
    "--mta", metavar="PROGRAM", default="sendmail", help="The host's mail program; default: Sendmail."
)
@click.option("--csr", metavar="FILE", help="Sign this request of HOST, which keeps its own key.")
@click.option("--no-key", is_flag=True, help="Put in the certificate that HOST has, without a key.")
@click.option("--new-key", is_flag=True, help="Issue another certificate, with a new key.")
@click.option("--days", type=int, metavar="N", help="Lifetime of a new certificate; default: 365.")
@client_options
@click.option("-o", "--output", metavar="FILE", help="Write FILE, mode 0600, or - for standard output.")
@click.option("--passphrase", metavar="SOURCE", help="Encrypt the archive as age does, under a passphrase.")
@click.option(
    "--recipient", "recipients", multiple=True, metavar="KEY", help="Encrypt it for this age or SSH key."
)
@click.option("--ca-passphrase", metavar="SOURCE", help="Where the CA key's passphrase comes from.")
@click.option("--force", is_flag=True, help="Replace FILE.")
@pass_session
def bundle(
    session: Session,
    /,
    host: str,
    mta: str,
    csr: str | None,
    no_key: bool,
    new_key: bool,
    days: int | None,
    output: str | None,
    passphrase: str | None,
    recipients: tuple[str, ...],
    ca_passphrase: str | None,
    force: bool,
    **options: Any,
) -> None:
    """Put all that the client host HOST needs into one archive: CA, certificate and key, account, README.

    It is extracted at / of that host: tar -xpf FILE -C /. A key that is made for it is kept nowhere else.
    """
    from ..bundle.contents import CertificateOptions
    from ..bundle.make import make_bundle

    site = session.site()
    if sum((bool(csr), no_key, new_key)) > 1:
        raise UsageError("--csr, --no-key, --new-key", "contradict each other; give one of them")
    encryption = _seal(passphrase, recipients)
    wanted = _wanted(
        session, site, host, mta, csr, CertificateOptions(bool(csr), new_key, not no_key), days, options
    )
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


_ca = ca_passphrase
"""The option's parameter hides the function's name."""


def _wanted(
    session: Session,
    site: "Site",
    host: str,
    mta: str,
    csr: str | None,
    terms: Any,
    days: int | None,
    options: dict[str, Any],
) -> "BundleRequest":
    from ..bundle.make import BundleRequest
    from ..ca.issue import CertificateOptions, order
    from ..mta.program import Role
    from ..mta.programs import program_for

    render_options = wishes_of(host=host, **options)
    wanted = order(site, host, CertificateOptions(days=days))
    asked_csr = _petition(session, site, csr, wanted.host, days) if csr else None
    return BundleRequest(wanted, program_for(mta, Role.CLIENT), render_options, terms, asked_csr)


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
    facts, credentials = done.facts, done.credentials
    account = str(facts.credential.account) if facts.credential else None
    work = wanted.program.work(facts)
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
    if path:
        yield f"  {session.described(path)}"
        yield f"next: {opened} on {facts.host}, then what /{README} says;"
        yield f"      or on {facts.host}: smtpcreds setup --client {_name(path)} --edit --run"
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
