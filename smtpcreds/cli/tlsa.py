"""``smtpcreds tlsa``: DANE; ``tlsa HOST`` means ``tlsa show HOST``."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from ..errors import MissingInputError
from ..shell import quote
from . import lazy_click as click
from .cert import issued_lines, issued_row
from .framework import noun, reload_hook, reload_line, reload_option
from .secrets import ca_passphrase, passphrase_option
from .session import Session, pass_session

if TYPE_CHECKING:
    from ..dane import Rollover, Zone


tlsa = noun(
    "tlsa",
    "TLSA records (DANE), and new keys for them; tlsa HOST means tlsa show HOST.",
    {
        "show": ("tlsa", "show", "Print the records of a host as lines of its zone."),
        "plan": ("tlsa", "plan", "Show the state of a key rollover and the next step."),
        "next": ("tlsa", "next_", "Make the next key, and print both records."),
        "switch": ("tlsa", "switch", "Renew the certificate with the next key."),
        "retire": ("tlsa", "retire", "Forget the old key, and print the records without it."),
        "texts": ("tlsa", "texts", "Print records for MTA-STS and TLS reporting."),
    },
    usual="show",
)


# ``smtpcreds tlsa show`` and ``texts``.

SMTP = 25

LONGEST = 2**31 - 1
"""Seconds of a TTL (RFC 2181 section 8)."""
port_option = click.option(
    "--port",
    "ports",
    type=click.IntRange(1, 65535),
    multiple=True,
    default=(SMTP,),
    metavar="N",
    help="Port of the server; may be repeated; default: 25.",
)


@click.command()
@click.argument("host")
@port_option
@click.option("--ttl", type=click.IntRange(1, LONGEST), metavar="SECONDS", help="TTL of the records.")
@pass_session
def show(session: Session, host: str, ports: tuple[int, ...], ttl: int | None) -> None:
    """Print the TLSA records of HOST as lines of its zone: 3 1 1 of its key, 2 1 1 of the CA that signed.

    While a key rollover is in progress, the record of the other key is printed too.
    """
    from ..dane import zone

    site = session.site()
    found = zone(site, host, session.absolute(host), None if ttl is None else timedelta(seconds=ttl))
    show_zone(session, found, ports)


def show_zone(session: Session, found: "Zone", ports: Sequence[int], more: Sequence[str] = ()) -> None:
    """Print the records; ``more`` are comments for people."""
    from ..dane import Stage

    ports = tuple(dict.fromkeys(ports))
    if found.rollover and found.rollover.stage is Stage.LOST:
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


@click.command()
@click.argument("domain", required=False)
@pass_session
def texts(session: Session, domain: str | None) -> None:
    """Tell what MTA-STS and TLS reporting need for DOMAIN, and why MTA-STS needs a public CA."""
    from ..dane import texts as words
    from ..names import parse_host

    site = session.site()
    name = parse_host(domain) if domain else site.domain
    if not name:
        raise MissingInputError("DOMAIN", "is not configured", "smtpcreds tlsa texts DOMAIN")
    lines = words(name, site.hub, site.clock())
    session.show({"domain": name, "host": site.hub, "text": "\n".join(lines)}, lines)


# ``smtpcreds tlsa plan``, ``next``, ``switch`` and ``retire``.

DAY = 86400


@click.command("next")
@click.argument("host")
@port_option
@click.option(
    "--ttl",
    type=click.IntRange(max=LONGEST),
    default=DAY,
    metavar="SECONDS",
    help="TTL of the records; default: 86400, a day.",
)
@click.option("--key-type", metavar="TYPE", help="Type of the key; default: that of the one in use.")
@click.option("--force", is_flag=True, help="Replace a key that waits.")
@pass_session
def next_(
    session: Session, host: str, ports: tuple[int, ...], ttl: int, key_type: str | None, force: bool
) -> None:
    """Make the next key of HOST beside the one in use, and print the records of both.

    Publish them at once: the switch is refused until twice the TTL has passed from now.
    """
    from ..dane import NextKey, next_key, zone

    site = session.site()
    wanted = NextKey(host, timedelta(seconds=ttl), key_type, force)
    if session.run(site, lambda work: next_key(work, wanted)) is None:
        return
    found = zone(site, host, session.absolute(host))
    more = [f"publish all of these; then, from {_ready(found)} on: smtpcreds tlsa switch {quote(found.host)}"]
    show_zone(session, found, ports, more)


@click.command()
@click.argument("host")
@port_option
@click.option("--resolver", metavar="ADDRESS[:PORT]", help="Ask this name server for the new record first.")
@reload_option
@passphrase_option
@pass_session
def switch(
    session: Session,
    host: str,
    ports: tuple[int, ...],
    resolver: str | None,
    reload: str | None,
    passphrase: str | None,
) -> None:
    """Renew the certificate of HOST with its next key.

    Refused until twice the TTL has passed since tlsa next, and while the resolver does not give the record.
    """
    from ..dane import switch as carry_out
    from ..dns import parse_resolver

    hook, asked = reload_hook(reload), parse_resolver(resolver) if resolver else None
    site = session.site()
    wanted = tuple(dict.fromkeys(ports))
    issued = session.run(
        site,
        lambda work: carry_out(work, host, hook=hook, resolver=asked, ports=wanted),
        ca_passphrase(passphrase, site),
    )
    if issued is None:
        return
    retire = (
        f"      smtpcreds tlsa plan {quote(issued.order.host)}    shows when the old record can be removed"
    )
    session.show(
        {"certificate": issued_row(issued), "reloaded": hook is not None},
        [*issued_lines(session, [issued]), *([] if hook else [reload_line(site)]), retire],
    )


@click.command()
@click.argument("host")
@port_option
@click.option("--at-once", is_flag=True, help="Do not wait for twice the TTL after the switch.")
@pass_session
def retire(session: Session, host: str, ports: tuple[int, ...], at_once: bool) -> None:
    """Forget the old key of HOST, and print the records without it."""
    from ..dane import retire as carry_out
    from ..dane import zone

    site = session.site()
    if session.run(site, lambda work: carry_out(work, host, at_once=at_once)) is None:
        return
    show_zone(session, zone(site, host, session.absolute(host)), ports)


@click.command()
@click.argument("host")
@pass_session
def plan(session: Session, host: str) -> None:
    """Show how far HOST's change to a new key is, and what is next, and when."""
    from ..ca.reload import was_not_told
    from ..dane import zone

    site = session.site()
    found = zone(site, host, session.absolute(host))
    if found.rollover and was_not_told(site):
        again = f"smtpcreds tlsa switch {quote(found.host)} --reload COMMAND"
        site.warn(f"the mail server was not told of all new files yet: {again}")
    session.show(_document(found), _lines(found))


def _document(found: "Zone") -> dict[str, object]:
    half = found.rollover
    return {
        "host": found.host,
        "stage": half.stage.value if half else "settled",
        "since": half and half.since,
        "ready_at": half and half.ready_at,
        "ttl": half and half.begun.ttl // timedelta(seconds=1),
        "old": half and f"3 1 1 {half.begun.old}",
        "new": half and f"3 1 1 {half.begun.new}",
        "next": _step(found),
    }


def _lines(found: "Zone") -> Iterator[str]:
    half = found.rollover
    yield f"{found.host}: {_SAID[half.stage.value if half else 'settled']}"
    if half:
        yield f"  old  3 1 1 {half.begun.old}"
        yield f"  new  3 1 1 {half.begun.new}, since {half.begun.at:%Y-%m-%d %H:%M} UTC"
        yield f"  TTL  {half.begun.ttl}"
    when = f"    from {_ready(found)} on" if half and half.stage.value in _STEPS else ""
    yield f"next: {_step(found)}{when}"
    yield from (f"then: smtpcreds tlsa {step} {quote(found.host)}" for step in _after(half))


_SAID = {
    "settled": "no key rollover in progress",
    "publishing": "the next key is ready; publish the records of both",
    "switched": "the next key is in use; the record of the old one is still to be published",
    "lost": "the next key is gone, or another one is in use; publish what tlsa show prints",
}
_STEPS = {"publishing": "switch", "switched": "retire"}


def _step(found: "Zone") -> str:
    step = _STEPS.get(found.rollover.stage.value, "next") if found.rollover else "next"
    return f"smtpcreds tlsa {step} {quote(found.host)}"


def _after(half: "Rollover | None") -> list[str]:
    steps = ["next", "switch", "retire"]
    step = _STEPS.get(half.stage.value, "next") if half else "next"
    return steps[steps.index(step) + 1 :]


def _ready(found: "Zone") -> str:
    return f"{found.rollover.ready_at:%Y-%m-%d %H:%M} UTC" if found.rollover else ""
