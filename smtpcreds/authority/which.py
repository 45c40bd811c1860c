"""What a person means by a host name, or the beginning of a serial number or fingerprint."""

from collections.abc import Iterable

from ..config import Site
from ..errors import AmbiguousError, NameRefusedError
from ..inventory import Certificate, Inventory

SHOWN = 6
"""Candidates that a message lists."""
DIGITS = 12
"""Of a serial number, in a message; enough to name one of millions."""


def meant(site: Site, inventory: Inventory, which: str) -> list[Certificate]:
    """Return the certificates that the word may mean, in every state; issued ones first, the newest first.

    A short host name is completed with the domain. A complete host name, serial number or fingerprint
    outranks prefixes.
    """
    return _of_host(site, inventory, which) or inventory.find(which)


def ambiguous(which: str, rows: list[Certificate], hint: str) -> AmbiguousError:
    """Return the error that lists the candidates."""
    more = f"; and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    listed = "; ".join(map(candidate, rows[:SHOWN]))
    return AmbiguousError(which, f"fits {len(rows)} certificates: {listed}{more}", hint)


def candidate(row: Certificate) -> str:
    """Return a certificate in the words of such a list."""
    dates = f"{row.not_before:%Y-%m-%d} to {row.not_after:%Y-%m-%d}"
    return f"{row.serial[:DIGITS]} {row.host}, {dates}, {row.state}"


def of_one_host(rows: Iterable[Certificate]) -> bool:
    """Tell whether all are of the same host."""
    return len({row.host for row in rows}) == 1


def names_host(site: Site, which: str, rows: Iterable[Certificate]) -> bool:
    """Tell whether the word is the name of the host of all of them, short or complete."""
    return {row.host for row in rows} <= {which, _host(site, which)}


def _of_host(site: Site, inventory: Inventory, which: str) -> list[Certificate]:
    host = _host(site, which)
    return [row for row in inventory.find(host) if row.host == host]


def _host(site: Site, which: str) -> str:
    try:
        return site.qualify(which, wildcard=True)
    except NameRefusedError:
        return which
