"""``smtpcreds bundle``."""

import sys
from collections.abc import Iterator
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from ..errors import DataError, UsageError
from .lazy import Verb
from .mta.options import client_options, wishes_of
from .mta.remaining import remaining_row
from .secrets import bundle_passphrase, ca_passphrase
from .session import Session, pass_session

if TYPE_CHECKING:
    from datetime import datetime

    from ..authority.sign_request import Petition
    from ..bundle.delivery import Delivery, Seal
    from ..bundle.make import Bundled, Wanted
    from ..config import Site

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
    from ..bundle.make import make_bundle
    from ..bundle.papers import Terms

    site = session.site()
    if sum((bool(csr), no_key, new_key)) > 1:
        raise UsageError("--csr, --no-key, --new-key", "contradict each other; give one of them")
    seal = _seal(passphrase, recipients)
    wanted = _wanted(session, site, host, mta, csr, Terms(bool(csr), new_key, not no_key), days, options)
    path = _path(session, output, wanted, sealed=bool(passphrase or recipients))
    delivery = _delivery(session, path, seal, force=force)
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
) -> "Wanted":
    from ..authority.orders import Wishes, order
    from ..bundle.make import Wanted
    from ..mta.port import Role
    from ..mta.programs import program_for

    wishes = wishes_of(host=host, **options)
    wanted = order(site, host, Wishes(days=days))
    petition = _petition(session, site, csr, wanted.host, days) if csr else None
    return Wanted(wanted, program_for(mta, Role.CLIENT), wishes, terms, petition)


def _petition(session: Session, site: "Site", csr: str, host: str, days: int | None) -> "Petition":
    """Read the request.

    Raises:
        DataError: it is another host's.
    """
    from ..authority.sign_request import read_petition
    from ..pki.profiles import RELAY

    petition = read_petition(site, session.absolute(csr), RELAY, days=days)
    if petition.request.name != host:
        raise DataError(csr, f"asks for {petition.request.name}, not for {host}")
    for item in petition.ignored:
        session.warn(f"{csr}: ignored: {item}")
    return petition


def _seal(passphrase: str | None, recipients: tuple[str, ...]) -> "Seal":
    """Return how the archive is encrypted.

    Raises:
        UsageError: two ways at once, or no key of age or SSH.
    """
    from ..bundle import sealing
    from ..bundle.delivery import Seal

    if passphrase and recipients:
        raise UsageError("--recipient", "age opens a file by keys or by a passphrase, not by both")
    if recipients:
        sealing.check_recipients(recipients)
    if passphrase:
        sealing.check_available()
    return Seal(bundle_passphrase(passphrase, new=True) if passphrase else None, recipients)


def _path(session: Session, output: str | None, wanted: "Wanted", *, sealed: bool) -> str | None:
    from ..bundle.sealing import SUFFIX

    if output == STREAM:
        return None
    return session.absolute(output or f"{wanted.order.host.partition('.')[0]}.tar{SUFFIX if sealed else ''}")


def _delivery(session: Session, path: str | None, seal: "Seal", *, force: bool) -> "Delivery":
    from ..bundle.delivery import Delivery
    from ..files import explained

    if path:
        return Delivery(seal, path, force)
    if not session.dry_run:
        if sys.stdout.isatty():
            raise UsageError("standard output", "is a terminal, and an archive is no text", "-o FILE")
        session.refuse_reveal()

    def write(data: bytes) -> None:
        with explained("standard output"):
            session.reveal(data)

    return Delivery(seal, write=write)


def _opened(path: str | None, passphrase: str | None, recipients: tuple[str, ...]) -> str:
    """Return the command that unpacks the archive, on the client host."""
    name = quote((path or STREAM).rpartition("/")[2])
    if passphrase or recipients:
        return f"age -d {'-i KEY ' if recipients else ''}{name} | tar -xpf - -C /"
    return f"tar -xpf {name} -C /"


def _show(session: Session, wanted: "Wanted", done: "Bundled", path: str | None, opened: str) -> None:
    facts, papers = done.facts, done.papers
    account = str(facts.credential.account) if facts.credential else None
    work = wanted.program.work(facts)
    session.show(
        {
            "host": facts.host,
            "program": wanted.program.NAME,
            "account": account,
            "file": path,
            "certificate": {
                "serial": papers.serial,
                "not_after": papers.certificate.not_valid_after_utc,
                "origin": done.origin.name.lower(),
                "former": done.former or None,
            },
            "with_key": papers.key is not None,
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
    session: Session, wanted: "Wanted", done: "Bundled", path: str | None, opened: str
) -> Iterator[str]:
    from ..bundle.member import README

    facts, papers = done.facts, done.papers
    key = "with its key" if papers.key else "without a key"
    end = f"{papers.certificate.not_valid_after_utc:%Y-%m-%d}"
    yield f"{facts.host}: {wanted.program.NAME}, certificate valid to {end}, {key}"
    if facts.credential:
        yield f"  account {facts.credential.account}"
    if path:
        yield f"  {session.described(path)}"
        yield f"next: {opened} on {facts.host}, then what /{README} says"
    yield from _of_crl(done, session.site().clock())
    if done.former:
        yield f"      once the new certificate is in use: smtpcreds cert revoke {done.former}"


def _of_crl(done: "Bundled", now: "datetime") -> Iterator[str]:
    """Say what keeps mail going if the CRL ends before the certificate does."""
    end = done.papers.certificate.not_valid_after_utc
    if done.crl_end < end:
        days = (end - now).days + 2
        yield f"      its CRL ends on {done.crl_end:%Y-%m-%d}, and mail stops: copy a new one there before,"
        yield f"      or smtpcreds ca crl --days {days}, and bundle again"
