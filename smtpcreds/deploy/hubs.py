"""What the hub on this host offers its client hosts, as far as ``mta apply`` wrote it."""

from collections.abc import Mapping

from ..ca.layout import has_inventory, reading
from ..config import Site
from ..mta import dovecot, dovecot_hub
from ..mta.program import Program, Role
from .facts import wanted_mechanisms
from .options import RenderOptions, applied_programs, in_force

_BY_DOVECOT = "dovecot"
"""The choice of a mail server whose accounts Dovecot checks."""


def applied_hubs(site: Site) -> Mapping[str, tuple[str, ...]]:
    """Return the programs of a hub that ``mta apply`` was run for, with the mechanisms that each offers."""
    if not has_inventory(site):
        return {}
    with reading(site) as inventory:
        hubs = [program for program in applied_programs(inventory) if program.ROLE is Role.HUB]
    return {program.NAME: _mechanisms(site, program) for program in hubs}


def _mechanisms(site: Site, program: Program) -> tuple[str, ...]:
    options = in_force(site, program, RenderOptions()).over(site.settings.mta, program.VARIANTS)
    offered = wanted_mechanisms(options, is_hub=True)
    if program is not dovecot_hub and _BY_DOVECOT not in options.variants:
        return offered
    stored = in_force(site, dovecot_hub, RenderOptions())
    known = dovecot.MECHANISMS[dovecot.scheme_of(stored.variants)]
    return tuple(name for name in offered if name in known)
