"""``smtpcreds tlsa show`` and ``texts``."""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from ...errors import MissingInputError
from ..lazy import Verb
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...dane import Zone

SMTP = 25

port_option = click.option(
    "--port",
    "ports",
    type=click.IntRange(1, 65535),
    multiple=True,
    default=(SMTP,),
    metavar="N",
    help="Port of the server; may be repeated; default: 25.",
)


@click.command(cls=Verb)
@click.argument("host")
@port_option
@click.option("--ttl", type=click.IntRange(min=1), metavar="SECONDS", help="TTL of the records.")
@pass_session
def show(session: Session, host: str, ports: tuple[int, ...], ttl: int | None) -> None:
    """Print the TLSA records of HOST as lines of its zone: 3 1 1 of its key, 2 1 1 of the CA that signed.

    While a new key is half-way, the record of the other key stands there too.
    """
    from ...dane import zone

    site = session.site()
    found = zone(site, host, session.absolute(host), None if ttl is None else timedelta(seconds=ttl))
    show_zone(session, found, ports)


def show_zone(session: Session, found: "Zone", ports: Sequence[int], more: Sequence[str] = ()) -> None:
    """Print the records; ``more`` are comments for people."""
    from ...dane import Stage

    ports = tuple(dict.fromkeys(ports))
    if found.rollover and found.rollover.stage is Stage.ASTRAY:
        session.warn(
            f"{found.host}: its next key is gone, or it uses another one; publish this, and begin again"
        )
    session.show(
        {
            "host": found.host,
            "ports": ports,
            "ttl": None if found.ttl is None else found.ttl // timedelta(seconds=1),
            "records": [str(record) for record in found.records],
            "lines": [line for line in found.lines(ports) if not line.startswith(";")],
            "stage": found.rollover and found.rollover.stage,
        },
        [*found.lines(ports), *(f"; {line}" for line in more)],
    )


@click.command(cls=Verb)
@click.argument("domain", required=False)
@pass_session
def texts(session: Session, domain: str | None) -> None:
    """Tell what MTA-STS and TLS reporting need for DOMAIN, and why MTA-STS needs a public CA."""
    from ...dane.texts import texts as words
    from ...names import parse_host

    site = session.site()
    name = parse_host(domain) if domain else site.domain
    if not name:
        raise MissingInputError("DOMAIN", "is not configured", "smtpcreds tlsa texts DOMAIN")
    lines = words(name, site.hub, site.clock())
    session.show({"domain": name, "host": site.hub, "text": "\n".join(lines)}, lines)
