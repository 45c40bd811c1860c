"""MTA: what smtpcreds wrote for mail programs, against what it would write now and what is in force."""

import os
from collections.abc import Iterator

from ..authority.reading import has_inventory, reading
from ..config import Site
from ..deploy.gather import gather
from ..deploy.inspection import missing_includes, stale
from ..deploy.standing import Standing, Status, look
from ..deploy.wishes import Wishes
from ..deploy.written import digests
from ..errors import SmtpcredsError, UsageError
from ..inventory import Inventory
from ..mta.port import Facts, Program
from ..mta.programs import PROGRAMS
from .finding import Finding, found, unchecked
from .world import World

_FAULTS = {
    Status.OUTDATED: "is as smtpcreds wrote it once; now it would be different",
    Status.EDITED: "was edited since smtpcreds wrote it",
    Status.MISSING: "was written by smtpcreds and is gone",
}
_AGE = "is older than"
"""MTA008 says so of every sendmail.cf, and MTA007 of maps."""


def written(world: World) -> Iterator[Finding]:
    """Each file that was written is still what would be written."""
    if not has_inventory(world.site):
        return
    with reading(world.site) as inventory:
        for program in _applied(inventory):
            yield from _of_program(world, program, inventory)


def _applied(inventory: Inventory) -> list[Program]:
    """Return the programs that ``mta apply`` was ever run for."""
    names = {event.subject for event in inventory.events() if event.what == "mta apply"}
    return [program for name, program in PROGRAMS.items() if name in names]


def _of_program(world: World, program: Program, inventory: Inventory) -> Iterator[Finding]:
    site = world.site
    try:
        facts = gather(site, program, Wishes())
        standings = look(site, program.render(facts), inventory)
    except UsageError:
        return  # for another role than that of this host: the inventory is shared
    except SmtpcredsError as error:
        yield unchecked(error)
        return
    known = [s for s in standings if digests(site, inventory, s.path)]
    for standing in known:
        if standing.status in _FAULTS:
            yield _finding(site, program, standing)
    if known and not any(s.status is Status.OUTDATED for s in known):
        yield from _in_force(world, program, facts)


def _in_force(world: World, program: Program, facts: Facts) -> Iterator[Finding]:
    """Look at the compiled file, where there is one: settings that are not there were not included.

    Not asked where files are to be written anew, for what is in force can be what they say now.
    """
    check, tasks = f"smtpcreds mta check {program.NAME}", program.work(facts)
    for include in missing_includes(world.site, tasks):
        path = world.path(include.path)
        if include.lines and os.path.exists(path):
            yield found("MTA017", path, f"lacks {'; '.join(include.lines)}", check)
    for path, fault in stale(world.site, tasks):
        if os.path.exists(path) and _AGE not in fault:
            yield found("MTA017", path, fault, check)


def _finding(site: Site, program: Program, standing: Standing) -> Finding:
    """Options of ``mta apply`` are not remembered, so an outdated file may well be right."""
    force = " --force" if standing.status is Status.EDITED else ""
    cure = f"smtpcreds mta diff {program.NAME}; smtpcreds mta apply {program.NAME}{force}"
    if standing.status is Status.OUTDATED:
        cure += f", or keep the options that it was made with in [mta] of {site.settings_path}"
    return found("MTA009", standing.path, _FAULTS[standing.status], cure)
