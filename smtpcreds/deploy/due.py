"""What ``mta apply`` has to write again after keys, certificates or lists of revoked ones have changed.

Every command asks, so nothing of mail programs is imported where none was ever applied.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ..ca.state import APPLIED
from ..errors import SmtpcredsError, UsageError
from ..transaction import Transaction

if TYPE_CHECKING:
    from ..mta.program import Program


def due_commands(work: Transaction) -> list[str]:
    """Return the commands that bring the mail programs of this host up to what the inventory says now.

    Only those are looked at that ``mta apply`` was run for. Where the files can't be rendered any more, as
    when a host that they name has no certificate left, the command says so.
    """
    inventory = work.known_inventory
    if inventory is None or not next(inventory.events(what=APPLIED, limit=1), None):
        return []
    from .options import applied_programs

    return [command for program in applied_programs(inventory) for command in _due(work, program)]


def _due(work: Transaction, program: "Program") -> Iterator[str]:
    from ..mta import placed
    from .check import applying
    from .facts import as_applied
    from .files import Status, digests, file_statuses_of

    site = replace(work.site, warn=lambda _: None)
    try:
        facts = as_applied(site, program)
        standings = file_statuses_of(site, placed.render(program, facts), work.known_inventory)
    except UsageError:
        return  # applied on another host, which shares the inventory
    except SmtpcredsError:
        yield f"smtpcreds mta check {program.NAME}"
        return
    known = (standing for standing in standings if digests(site, work.known_inventory, standing.path))
    if any(standing.status in {Status.OUTDATED, Status.MISSING} for standing in known):
        yield applying(site, program, placed.work(program, facts))
