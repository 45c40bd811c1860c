"""``smtpcreds cert issue``."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from ..lazy import Verb
from ..secrets import ca_passphrase, passphrase_option
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...authority.issue import Issued
    from ...config import Site

PROFILES = {
    (False, False): "relay",
    (True, False): "server",
    (False, True): "client",
    (True, True): "relay",
}
"""By ``--server`` and ``--client``; both roles together are the relay's."""


@click.command(cls=Verb)
@click.argument("hosts", metavar="HOST...", nargs=-1)
@click.option(
    "--from", "listing", metavar="FILE", help="Also the hosts of FILE, a line: host,names,profile,days."
)
@click.option("--server", is_flag=True, help="For the server role only.")
@click.option("--client", is_flag=True, help="For the client role only.")
@click.option(
    "--san", "alternatives", multiple=True, metavar="NAME", help="One more host name or IP address."
)
@click.option("--days", type=int, metavar="N", help="Lifetime; default: 365.")
@click.option(
    "--key-type", metavar="TYPE", help="p256 (default), p384, rsa2048, rsa3072, rsa4096 or ed25519."
)
@click.option("--to", "target", metavar="DIR", help="Write into DIR, not into /etc/mail/certs.")
@click.option("--force", is_flag=True, help="Replace what is there.")
@passphrase_option
@pass_session
def issue(
    session: Session,
    hosts: tuple[str, ...],
    listing: str | None,
    server: bool,
    client: bool,
    alternatives: tuple[str, ...],
    days: int | None,
    key_type: str | None,
    target: str | None,
    force: bool,
    passphrase: str | None,
) -> None:
    """Issue a certificate with a new key for each HOST.

    It serves in both roles, server and client, unless --server or --client says otherwise. A HOST without
    a domain gets the configured one.
    """
    from ...authority.issue import Issued, Refused
    from ...authority.issue import issue as carry_out
    from ...authority.orders import Wishes, orders

    site = session.site()
    directory = session.absolute(target) if target else None
    profile = PROFILES[server, client]
    wishes = Wishes(profile, alternatives, days, key_type, directory)
    wanted = orders(site, hosts, session.absolute(listing) if listing else None, wishes)
    with session.progress(len(wanted)) as advance:
        outcomes = session.run(
            site,
            lambda work: carry_out(work, wanted, force=force, progress=advance),
            ca_passphrase(passphrase, site),
        )
    if outcomes is None:
        return
    issued = [outcome for outcome in outcomes if isinstance(outcome, Issued)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    failures = [{"host": outcome.host, "error": str(outcome.error)} for outcome in refused]
    session.show(
        lambda: {"certificates": [issued_row(o) for o in issued], "failed": failures},
        [*issued_lines(session, issued), *_next(site, issued, is_elsewhere=directory is not None)],
    )
    session.fail(outcome.error for outcome in refused)


def _next(site: "Site", issued: "list[Issued]", *, is_elsewhere: bool) -> Iterator[str]:
    """Yield what to do with a single certificate."""
    if len(issued) != 1 or is_elsewhere:
        return
    host = issued[0].order.host
    yield "next: smtpcreds mta render sendmail-hub" if host == site.hub else f"next: smtpcreds bundle {host}"


def issued_row(issued: "Issued") -> dict[str, object]:
    """Return what JSON tells of a new certificate."""
    from ...pki.describe import describe

    found, order = describe(issued.certificate), issued.order
    return {
        "host": order.host,
        "profile": order.profile.name,
        "names": order.names,
        "key_type": found.key_type,
        "serial": found.serial,
        "not_before": found.not_before,
        "not_after": found.not_after,
        "shortened": issued.shortened,
        "fingerprint": found.fingerprint,
        "key": order.pair.key,
        "certificate": order.pair.certificate,
    }


def issued_lines(session: Session, outcomes: Iterable["Issued"]) -> Iterator[str]:
    """Yield what a person is told of new certificates."""
    from ...pki.describe import describe

    for issued in outcomes:
        found, order = describe(issued.certificate), issued.order
        end = f"valid to {found.not_after:%Y-%m-%d}{' (the end of the CA)' if issued.shortened else ''}"
        yield f"{order.host}: {order.profile.label}, {found.key_type}, {end}"
        yield f"  {session.described(order.pair.key)}"
        yield f"  {session.described(order.pair.certificate)}"
