"""``smtpcreds cert show``."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ..lazy import Verb
from ..session import Session, pass_session

if TYPE_CHECKING:
    from ...authority.inspection import View


@click.command(cls=Verb)
@click.argument("which")
@pass_session
def show(session: Session, which: str) -> None:
    """Show the certificate WHICH: a host, the beginning of a serial number or fingerprint, or a file.

    Of several certificates of one host it is the newest that is issued.
    """
    from ...authority.inspection import views
    from ...authority.lookup import find

    site = session.site()
    found = views(site, find(site, which, session.absolute(which)))
    session.show({"certificates": [_data(view) for view in found]}, _all_lines(found))


def _data(view: "View") -> dict[str, object]:
    row = view.row
    return asdict(view.description) | {
        "days_left": view.days_left,
        "chain": view.chain,
        "chain_fault": view.fault,
        "state": view.state,
        "host": row and row.host,
        "profile": row and row.profile,
        "revoked_at": row and row.revoked_at,
        "reason": row and row.reason,
        "file": view.installed,
    }


def _all_lines(found: "list[View]") -> Iterator[str]:
    for number, view in enumerate(found):
        if number:
            yield ""
        yield view.description.title
        for name, text in _facts(view):
            yield f"  {name:13}{text}"


def _facts(view: "View") -> Iterator[tuple[str, str]]:
    found = view.description
    if names := (*found.dns_names, *found.addresses):
        yield "names", ", ".join(names)
    yield "role", _role(view)
    yield "key", found.key_type
    yield "valid", f"{found.not_before:%Y-%m-%d %H:%M} to {found.not_after:%Y-%m-%d %H:%M} UTC, {_left(view)}"
    yield "state", _state(view)
    yield "issued by", found.issuer
    yield "chain", f"open: {view.fault}" if view.fault else " < ".join(view.chain) or "is a trusted root"
    yield "serial", found.serial
    yield "certificate", f"SHA-256 {found.fingerprint}"
    yield "public key", f"SHA-256 {found.public_id}"
    if view.installed:
        yield "file", view.installed
    if found.is_ca:
        yield "sendmail", f"CertIssuer:{found.access_subject}"
    else:
        yield "sendmail", f"CertIssuer:{found.access_issuer}"
        yield "", f"CertSubject:{found.access_subject}"


def _role(view: "View") -> str:
    found = view.description
    if found.is_ca:
        limits = f", only for {', '.join(found.permitted_domains)}" if found.permitted_domains else ""
        return f"certificate authority{limits}"
    return " and ".join(found.roles) or "none in TLS"


def _left(view: "View") -> str:
    return f"{view.days_left} days left" if view.days_left >= 0 else f"ended {-view.days_left} days ago"


def _state(view: "View") -> str:
    row = view.row
    if row is None:
        return "expired" if view.state == "expired" else "not in the inventory"
    if row.revoked_at:
        return f"revoked on {row.revoked_at:%Y-%m-%d %H:%M} UTC, {row.reason}"
    return f"{view.state} as {row.profile} certificate of {row.host}"
