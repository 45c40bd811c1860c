"""Putting the files of a mail program in place, and what has to happen then."""

from collections.abc import Iterable
from dataclasses import replace

from ..ca.reload import Hook
from ..ca.state import APPLIED
from ..config import Site
from ..errors import ConfigError, ExistsError, UnavailableError, UsageError, number_of
from ..lazy import dataclass
from ..model import Finding
from ..mta import placed
from ..mta.program import Facts, Include, Program, Work
from ..mta.program import octets as with_secrets
from ..shell import absent
from ..transaction import Transaction
from .check import (
    absent_sockets,
    input_errors,
    lacking_plugins,
    missing_includes,
    redefined,
    stale,
    superfluous,
    unmet,
    unreadable,
)
from .copies import configuration, due_copies, write_copies
from .edit import Edit, commands_without, cure_commands, edits, settings_edit, write_edits
from .facts import told
from .files import (
    are_unrecorded,
    due_files,
    file_statuses_of,
    owner_of,
    remember,
    wanted_text,
    write_files,
)
from .options import RenderOptions, remember_options, words
from .withdrawn import to_keep, withdrawn


@dataclass(frozen=True)
class Applied:
    """What was done.

    Attributes:
        host: that the files are for.
        files: path, and whether it was written.
        edited: files of the administrator's that were edited, each with the copy of what it said before.
        includes: lines that are still to be added by hand.
        unmet: what is to be changed by hand besides.
        commands: to run next; empty where nothing is left to do.
        ran: the commands that have been run.
        usage: how people call the program, if they do.
        options: that hold from now on, as they are typed; empty for none.
    """

    host: str
    files: tuple[tuple[str, bool], ...]
    edited: tuple[tuple[str, str], ...]
    includes: tuple[Include, ...]
    unmet: tuple[Finding, ...]
    commands: tuple[str, ...]
    ran: tuple[str, ...]
    usage: tuple[str, ...]
    options: str = ""

    @property
    def changed(self) -> bool:
        """Tell whether this run wrote anything."""
        return bool(self.edited) or any(written for _, written in self.files)


def apply(
    work: Transaction,
    program: Program,
    given: RenderOptions,
    *,
    defaults: bool = False,
    force: bool = False,
    edit: bool = False,
    run: bool = False,
    is_new: bool = False,
) -> Applied:
    """Write the files of a mail program, and with ``run`` run the commands that make them effective.

    Args:
        work: where.
        program: whose files.
        given: what is wanted of them, beyond what was wanted before; it is remembered.
        defaults: forget what was wanted before.
        force: replace files that are not ours or were edited.
        edit: the administrator's own files, too, as far as the program needs it.
        run: the commands.
        is_new: the configuration of smtpcreds is of this run, which completes it.
    """
    site = work.site
    if run:
        refuse_commands(site)
    options, facts = told(site, program, given, defaults=defaults, ask=work.ask)
    for error in input_errors(site, program, facts):
        raise error
    tasks = placed.work(program, facts)
    found = file_statuses_of(site, placed.render(program, facts), work.known_inventory)
    due = due_files(found, f"see smtpcreds mta diff {program.NAME}; --force replaces it", force=force)
    copies = due_copies(site, tasks.copies)
    if not options.mechanisms:
        _warn_of_withdrawn(work, program, facts)
    _verify_users(site, tasks)
    are_ours = force or defaults or not are_unrecorded(found)
    changes = _edits(site, program, tasks, are_ours=are_ours) if edit else ()
    settings = settings_edit(site, tasks.copies) if edit and not is_new else ()
    cures = cure_commands(site, tasks) if edit else ()
    going = commands_without(site, tasks)
    if run:
        lacking = () if edit else (*_to_add(site, tasks), *configuration(site, tasks.copies))
        _refuse_to_run(lacking, (*going, *tasks.commands))
    remember_options(work, program, options)
    unknown = [standing for standing in found if standing.is_due or not standing.is_known]
    for standing in unknown:
        remember(site, work.inventory, standing.path, with_secrets(wanted_text(standing.rendered)))
    if due:
        write_files(due)
        work.record(APPLIED, program.NAME, number_of(len(due), "file"))
    write_copies(site, copies)
    edited = (*changes, *settings)
    write_edits(edited)
    if edited:
        work.record("mta edit", program.NAME, ", ".join(change.path for change in edited))
    includes = (*_to_add(site, tasks), *(() if settings else configuration(site, tasks.copies)))
    is_due = bool(due) or bool(changes) or (run and tasks.untraced) or bool(going or stale(site, tasks))
    letting_in = tuple(finding.cure for finding in unreadable(site, tasks.readers))
    commands = (*letting_in, *going, *tasks.commands, *cures) if is_due or letting_in else ()
    files = [(standing.path, standing.is_due) for standing in found]
    files += [(site.path(copy.path), copy in copies) for copy in tasks.copies]
    kept = tuple((change.path, change.kept) for change in edited)
    again = f"smtpcreds mta apply {program.NAME} --run"
    asked = absent_sockets(site, tasks.readers)
    absent_ones = lacking_plugins(site, program, facts)
    left = (*unmet(site, tasks.premises), *absent_ones, *asked, *redefined(site, tasks, again))
    applied = Applied(
        facts.host, tuple(files), kept, includes, left, commands, (), tasks.usage, words(options)
    )
    return carried_out(applied) if run else applied


def _to_add(site: Site, tasks: Work) -> tuple[Include, ...]:
    """Return what is missing in files of the administrator, by the paths that these have below this root."""
    return tuple(replace(include, path=site.path(include.path)) for include in missing_includes(site, tasks))


def _warn_of_withdrawn(work: Transaction, program: Program, facts: Facts) -> None:
    """Tell what people and programs log in with until now, and can't any more."""
    if names := withdrawn(work.site, program, facts):
        keep = to_keep(work.site, program, names, facts)
        way = f"; to keep: {keep}" if keep else ""
        work.warn(f"{', '.join(names)}: offered now, and no longer once this takes effect{way}")


def _edits(site: Site, program: Program, tasks: Work, *, are_ours: bool) -> tuple[Edit, ...]:
    """Return what is to be edited, but take nothing away that a lost inventory knew to be wanted.

    Raises:
        ExistsError: it would, and whoever relays by such a line would be cut off.
    """
    for path, line in () if are_ours else superfluous(site, tasks):
        reason = f"has lines of a run that this inventory does not know, and was not changed: {line}"
        way = f"smtpcreds mta diff {program.NAME}"
        raise ExistsError(path, reason, f"give the options of that run; see {way}; --force takes them out")
    return edits(site, tasks)


def refuse_commands(site: Site) -> None:
    """Accept a root whose commands can be run."""
    if not site.root.is_host:
        reason = "runs commands of this host, not of another root"
        raise UsageError("--run", reason, "leave --run or --root out")


_ADDS = "--edit adds it; or write the files without --run first, and add what is printed"


def _refuse_to_run(includes: Iterable[Include], commands: Iterable[str]) -> None:
    """Accept commands that can be run and have an effect.

    Raises:
        ConfigError: lines are missing without which they would have none.
        UnavailableError: a program that they call is not installed.
    """
    for name in absent(commands):
        reason = "is not installed, so there is nothing that --run could run"
        raise UnavailableError(name, reason, "install the mail program first, or leave --run out")
    for include in includes:
        raise ConfigError(include.path, "lacks a line, so nothing can be run", _ADDS)


def _verify_users(site: Site, tasks: Work) -> None:
    """Accept copies and readers whose users this host knows.

    Raises:
        UnavailableError: it does not know one.
    """
    for copy in tasks.copies:
        owner_of(site.root, copy.user, copy.group)
    for reader in tasks.readers:
        owner_of(site.root, reader.user, reader.user)


def carried_out(applied: Applied) -> Applied:
    """Run the commands that are left, in their order.

    Raises:
        ConfigError: see :func:`_refuse_to_run`.
    """
    _refuse_to_run(applied.includes, applied.commands)
    for number, command in enumerate(applied.commands):
        try:
            Hook(("sh", "-c", command)).run()
        except UnavailableError as error:
            left = "; ".join(applied.commands[number:])
            hint = f"the files are in place; what is left to run, with the mail server up: {left}"
            raise UnavailableError(error.subject, error.reason, hint) from None
    return replace(applied, commands=(), ran=applied.commands)
