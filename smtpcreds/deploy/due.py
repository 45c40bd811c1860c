"""What ``mta apply`` has to write again after keys, certificates or lists of revoked ones have changed."""

from collections.abc import Iterator
from dataclasses import replace

from ..errors import SmtpcredsError, UsageError
from ..mta import placed
from ..mta.program import Program
from ..transaction import Transaction
from .facts import gather
from .files import Status, digests, file_statuses_of
from .options import RenderOptions, applied_programs, in_force


def due_commands(work: Transaction) -> list[str]:
    """Return the commands that bring the mail programs of this host up to what the inventory says now.

    Only those are looked at that ``mta apply`` was run for. Where the files can't be rendered any more, as
    when a host that they name has no certificate left, the command says so.
    """
    if work.known_inventory is None:
        return []
    return [command for program in applied_programs(work.known_inventory) for command in _due(work, program)]


def _due(work: Transaction, program: Program) -> Iterator[str]:
    site = replace(work.site, warn=lambda _: None)
    try:
        facts = gather(site, program, in_force(site, program, RenderOptions()))
        standings = file_statuses_of(site, placed.render(program, facts), work.known_inventory)
    except UsageError:
        return  # applied on another host, which shares the inventory
    except SmtpcredsError:
        yield f"smtpcreds mta check {program.NAME}"
        return
    known = (standing for standing in standings if digests(site, work.known_inventory, standing.path))
    if any(standing.status in {Status.OUTDATED, Status.MISSING} for standing in known):
        yield f"smtpcreds mta apply {program.NAME}{' --run' if site.root.is_host else ''}"
