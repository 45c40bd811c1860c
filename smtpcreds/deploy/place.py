"""Putting the files of a mail program in place, and what has to happen then."""

import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace

from ..authority.ledger import at_work, record
from ..authority.reading import has_inventory, reading
from ..authority.reload import Hook
from ..config import Site
from ..errors import ConfigError, ExistsError, UsageError
from ..files import check_parents, ensure_directory, sweep, write_all
from ..model import Artifact, Plan, Root, Step
from ..mta.port import Facts, Include, Map, Program
from ..mta.port import octets as with_secrets
from ..sasldb.replace import open_regular, wake_readers
from .inspection import added, missing_files, missing_includes, stale
from .standing import Standing, Status, look, octets_of, wanted_text
from .written import remember

_REASONS = {
    Status.FOREIGN: "was not written by smtpcreds, and was left alone",
    Status.EDITED: "was edited since smtpcreds wrote it, and was left alone",
}


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


def standings(site: Site, program: Program, facts: Facts) -> list[Standing]:
    """Look at the program's files; see :func:`smtpcreds.deploy.standing.look`."""
    rendered = program.render(facts)
    if not has_inventory(site):
        return look(site, rendered, None)
    with reading(site) as inventory:
        return look(site, rendered, inventory)


def plan_apply(
    site: Site, program: Program, facts: Facts, *, force: bool = False, run: bool = False
) -> Plan[Applied]:
    """Plan the files, and with ``run`` the commands that make them effective.

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
    for error in missing_files(site, program, facts):
        raise error
    due = _due(standings(site, program, facts), _see(program), force=force)
    effects = program.work(facts).commands if run and (due or stale(site, program, facts)) else ()
    steps = (*map(_step, due), *(Step("run", command) for command in effects))
    return Plan(steps, lambda: _apply(site, program, facts, force=force, run=run))


def plan_copy(
    site: Site, program: Program, facts: Facts, directory: str, *, force: bool = False
) -> Plan[list[Standing]]:
    """Plan the files below another directory, to be carried to the host that they are for.

    Applying it returns the files that were written.

    Raises:
        ExistsError: another file is there, and ``force`` is not given.
        InexpressibleError: a fact that a format can't hold.
    """
    there = replace(site, root=Root(directory))

    def found() -> list[Standing]:
        return look(there, program.render(facts), None)

    def apply() -> list[Standing]:
        due = _due(found(), "another directory, or --force to replace it", force=force)
        _write(due)
        return due

    due = _due(found(), "another directory, or --force to replace it", force=force)
    return Plan(tuple(map(_step, due)), apply)


def _apply(site: Site, program: Program, facts: Facts, *, force: bool, run: bool) -> Applied:
    with at_work(site) as inventory:
        found = look(site, program.render(facts), inventory)
        due = _due(found, _see(program), force=force)
        for standing in found:
            if standing.is_due or not standing.is_known:
                remember(site, inventory, standing.path, with_secrets(wanted_text(standing.rendered)))
        if due:
            _write(due)
            record(site, inventory, "mta apply", program.NAME, f"{len(due)} files")
    includes = missing_includes(site, program, facts)
    commands = program.work(facts).commands if due or stale(site, program, facts) else ()
    if run:
        _run(includes, commands)
    files = tuple((s.path, s.is_due) for s in found)
    return Applied(files, includes, () if run else commands, commands if run else ())


def _due(found: Iterable[Standing], hint: str, *, force: bool) -> list[Standing]:
    """Return what is to be written."""
    due = [standing for standing in found if standing.is_due]
    for standing in due:
        if standing.status in _REASONS and not force:
            raise ExistsError(standing.path, _REASONS[standing.status], hint)
    return due


def _see(program: Program) -> str:
    return f"see smtpcreds mta diff {program.NAME}; --force replaces it"


def _write(due: list[Standing]) -> None:
    """Write the files; daemons that have a replaced map open notice."""
    for directory in dict.fromkeys(os.path.dirname(s.path) for s in due):
        if not os.path.isdir(directory):
            ensure_directory(directory, 0o755)
        sweep(directory)
    for standing in due:
        check_parents(standing.path)
    with ExitStack() as stack:
        replaced = [(old, s.path) for s in due if (old := _opened(s, stack)) is not None]
        write_all([Artifact(s.path, octets_of(s.rendered), s.rendered.mode, s.owner) for s in due])
        for old, path in replaced:
            wake_readers(old, path)


def _opened(standing: Standing, stack: ExitStack) -> int | None:
    """Open the map that is about to be replaced."""
    old = open_regular(standing.path) if isinstance(standing.rendered, Map) else None
    if old is not None:
        stack.callback(os.close, old)
    return old


def _run(includes: Iterable[Include], commands: Iterable[str]) -> None:
    for include in includes:
        raise ConfigError(include.path, "lacks a line, so no command was run", added(include))
    for command in commands:
        Hook(("sh", "-c", command)).run()


def _step(standing: Standing) -> Step:
    action = "write" if standing.status is Status.MISSING else "replace"
    return Step(action, standing.path, standing.rendered.mode, "; ".join(standing.excess))
