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
        MissingInputError: the host's certificate is not there yet.
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
    effects = program.work(facts).commands if run and (due or stale(site, program, facts)) else ()
    steps = (*map(step_of, due), *(Step("run", command) for command in effects))
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
    includes = missing_includes(site, program, facts)
    commands = program.work(facts).commands if due or stale(site, program, facts) else ()
    if run:
        _run(includes, commands)
    files = tuple((s.path, s.is_due) for s in found)
    return Applied(files, includes, () if run else commands, commands if run else ())


def _see(program: Program) -> str:
    return f"see smtpcreds mta diff {program.NAME}; --force replaces it"


def _run(includes: Iterable[Include], commands: Iterable[str]) -> None:
    for include in includes:
        raise ConfigError(include.path, "lacks a line, so no command was run", added(include))
    for command in commands:
        Hook(("sh", "-c", command)).run()
