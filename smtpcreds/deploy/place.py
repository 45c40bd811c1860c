"""Putting the files of a mail program in place, and what has to happen then."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..authority.ledger import at_work, record
from ..authority.reload import Hook
from ..config import Site
from ..errors import ConfigError, UsageError
from ..model import Plan, Step
from ..mta.port import Facts, Include, Program
from ..mta.port import octets as with_secrets
from .copies import configuration, due_copies, step_of_copy, write_copies
from .inspection import added, missing_files, missing_includes, stale
from .standing import look, standings, wanted_text
from .writing import due_files, step_of, write_files
from .written import remember


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done.

    Attributes:
        files: path, and whether it was written.
        includes: lines that are still to be added by hand.
        commands: to run next; empty where nothing is left to do.
        ran: the commands that have been run.
    """

    files: tuple[tuple[str, bool], ...]
    includes: tuple[Include, ...]
    commands: tuple[str, ...]
    ran: tuple[str, ...]


def plan_apply(
    site: Site,
    program: Program,
    facts: Facts,
    *,
    force: bool = False,
    run: bool = False,
    pair_follows: bool = False,
) -> Plan[Applied]:
    """Plan the files, and with ``run`` the commands that make them effective.

    Args:
        site: where.
        program: whose files.
        facts: what they say.
        force: replace files that are not ours or were edited.
        run: the commands.
        pair_follows: the host's certificate is not there yet, but will be before the plan is applied.

    Raises:
        MissingInputError: the host's certificate is not there yet, or no account database to be copied.
        ExistsError: a file that is not ours, or was edited, and ``force`` is not given.
        UsageError: commands under another root.
        InexpressibleError: a fact that a format can't hold.
    """
    if run and not site.root.is_host:
        raise UsageError(
            "--run", "runs commands of this host, not of another root", "leave --run or --root out"
        )
    for error in () if pair_follows else missing_files(site, program, facts):
        raise error
    due = due_files(standings(site, program, facts), _see(program), force=force)
    work = program.work(facts)
    copies = due_copies(site, work.copies)
    effects = _effects(site, program, facts, run=run, changed=bool(due)) if run else ()
    steps = (
        *map(step_of, due),
        *(step_of_copy(site, copy) for copy in copies),
        *(Step("run", command) for command in effects),
    )
    return Plan(steps, lambda: _apply(site, program, facts, force=force, run=run))


def _apply(site: Site, program: Program, facts: Facts, *, force: bool, run: bool) -> Applied:
    with at_work(site) as inventory:
        found = look(site, program.render(facts), inventory)
        due = due_files(found, _see(program), force=force)
        for standing in found:
            if standing.is_due or not standing.is_known:
                remember(site, inventory, standing.path, with_secrets(wanted_text(standing.rendered)))
        if due:
            write_files(due)
            record(site, inventory, "mta apply", program.NAME, f"{len(due)} files")
    copies = due_copies(site, program.work(facts).copies)
    write_copies(site, copies)
    includes = (*missing_includes(site, program, facts), *configuration(site, program.work(facts).copies))
    commands = _effects(site, program, facts, run=run, changed=bool(due))
    if run:
        _run(includes, commands)
    files = [(s.path, s.is_due) for s in found]
    files += [(site.path(copy.path), copy in copies) for copy in program.work(facts).copies]
    return Applied(tuple(files), includes, () if run else commands, commands if run else ())


def _effects(site: Site, program: Program, facts: Facts, *, run: bool, changed: bool) -> tuple[str, ...]:
    """Return the commands, if anything needs them or could."""
    work = program.work(facts)
    return work.commands if changed or (run and work.untraced) or stale(site, program, facts) else ()


def _see(program: Program) -> str:
    return f"see smtpcreds mta diff {program.NAME}; --force replaces it"


def _run(includes: Iterable[Include], commands: Iterable[str]) -> None:
    for include in includes:
        raise ConfigError(include.path, "lacks a line, so no command was run", added(include))
    for command in commands:
        Hook(("sh", "-c", command)).run()
