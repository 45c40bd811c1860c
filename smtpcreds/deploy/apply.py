"""Putting the files of a mail program in place, and what has to happen then."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..ca.reload import Hook
from ..errors import ConfigError, UsageError
from ..mta.program import Facts, Include, Program
from ..mta.program import octets as with_secrets
from ..transaction import Transaction
from .check import added, missing_files, missing_includes, stale
from .copies import configuration, due_copies, write_copies
from .facts import gather
from .files import due_files, file_statuses_of, remember, wanted_text, write_files
from .options import RenderOptions, in_force, remember_options, words
from .withdrawn import to_keep, withdrawn


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done.

    Attributes:
        host: that the files are for.
        files: path, and whether it was written.
        includes: lines that are still to be added by hand.
        commands: to run next; empty where nothing is left to do.
        ran: the commands that have been run.
        usage: how people call the program, if they do.
        options: that hold from now on, as they are typed; empty for none.
    """

    host: str
    files: tuple[tuple[str, bool], ...]
    includes: tuple[Include, ...]
    commands: tuple[str, ...]
    ran: tuple[str, ...]
    usage: tuple[str, ...]
    options: str = ""


def apply(
    work: Transaction,
    program: Program,
    given: RenderOptions,
    *,
    defaults: bool = False,
    force: bool = False,
    run: bool = False,
) -> Applied:
    """Write the files of a mail program, and with ``run`` run the commands that make them effective.

    Args:
        work: where.
        program: whose files.
        given: what is wanted of them, beyond what was wanted before; it is remembered.
        defaults: forget what was wanted before.
        force: replace files that are not ours or were edited.
        run: the commands.
    """
    site = work.site
    if run and not site.root.is_host:
        raise UsageError(
            "--run", "runs commands of this host, not of another root", "leave --run or --root out"
        )
    options = in_force(site, program, given, defaults=defaults)
    facts = gather(site, program, options, ask=work.ask)
    for error in missing_files(site, program, facts):
        raise error
    tasks = program.work(facts)
    found = file_statuses_of(site, program.render(facts), work.known_inventory)
    due = due_files(found, f"see smtpcreds mta diff {program.NAME}; --force replaces it", force=force)
    copies = due_copies(site, tasks.copies)
    if not options.mechanisms:
        _warn_of_withdrawn(work, program, facts)
    remember_options(work, program, options)
    unknown = [standing for standing in found if standing.is_due or not standing.is_known]
    for standing in unknown:
        remember(site, work.inventory, standing.path, with_secrets(wanted_text(standing.rendered)))
    if due:
        write_files(due)
        work.record("mta apply", program.NAME, f"{len(due)} files")
    write_copies(site, copies)
    includes = (*missing_includes(site, tasks), *configuration(site, tasks.copies))
    is_due = bool(due) or (run and tasks.untraced) or bool(stale(site, tasks))
    commands = tasks.commands if is_due else ()
    if run:
        _run(includes, commands)
    files = [(standing.path, standing.is_due) for standing in found]
    files += [(site.path(copy.path), copy in copies) for copy in tasks.copies]
    left, ran = ((), commands) if run else (commands, ())
    return Applied(facts.host, tuple(files), includes, left, ran, tasks.usage, words(options))


def _warn_of_withdrawn(work: Transaction, program: Program, facts: Facts) -> None:
    """Tell what people and programs log in with until now, and can't any more."""
    if names := withdrawn(work.site, program, facts):
        keep = to_keep(program, names, facts)
        way = f"; to keep: {keep}" if keep else ""
        work.warn(f"{', '.join(names)}: offered now, and no more once this counts{way}")


def _run(includes: Iterable[Include], commands: Iterable[str]) -> None:
    for include in includes:
        raise ConfigError(include.path, "lacks a line, so no command was run", added(include))
    for command in commands:
        Hook(("sh", "-c", command)).run()
