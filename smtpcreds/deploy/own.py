"""The mail servers of this host, for what is printed as the next step."""

from contextlib import suppress

from ..ca.layout import has_inventory, reading
from ..ca.state import APPLIED
from ..config import Site
from ..errors import SmtpcredsError
from ..files import exists
from ..inventory.rows import MTA_OPTIONS, State

SERVERS = ("sendmail", "postfix", "exim")


def applied_servers(site: Site) -> list[str]:
    """Return the mail servers that ``mta apply`` was run for as a hub, by family.

    Several hubs may share an inventory, so those count that are installed here, if any is.
    """
    applied: list[str] = []
    with suppress(SmtpcredsError), reading(site) as inventory:
        applied += (
            family
            for family in SERVERS
            if next(inventory.events(subject=f"{family}-hub", what=APPLIED, limit=1), None)
        )
    here = installed_servers(site)
    return [family for family in applied if family in here] or applied


def installed_servers(site: Site) -> list[str]:
    """Return the mail servers that are installed; not what a removed one left, if any other is.

    All of them provide ``/usr/sbin/sendmail``, so Sendmail is known by its configuration alone.
    """
    system = site.system
    configurations = {
        "sendmail": ("/etc/mail/sendmail.cf",),
        "postfix": (f"{system.postfix_directory}/main.cf",),
        "exim": (system.exim_conf, system.exim_answers),
    }
    programs = {
        "postfix": f"{system.daemons}/postfix",
        "exim": f"{system.daemons}/{system.exim_program}",
    }
    configured = [
        family
        for family, paths in configurations.items()
        if any(exists(site.path(path)) for path in paths if path)
    ]
    complete = [name for name in configured if name in programs and exists(site.path(programs[name]))]
    return complete or configured


def told_to_relay(site: Site, host: str) -> list[str]:
    """Return what was applied so that a host may relay by a certificate, where it has none any more."""
    if not has_inventory(site):
        return []
    with reading(site) as inventory:
        told = list(inventory.events(what=MTA_OPTIONS, limit=1))
        valid = list(inventory.listing(host=host, state=State.ISSUED, expires_after=site.clock(), limit=1))
    if valid or not told:
        return []
    from ..mta.programs import PROGRAMS
    from . import options

    return list(options.told_to_relay(site, host, *PROGRAMS.values()))
