"""Writing the files of a mail program: on this host, or below a directory for another one."""

import os
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace

from ..errors import ExistsError
from ..files import check_parents, ensure_directory, is_directory, sweep, write_all
from ..model import Artifact, Root
from ..mta.port import Facts, Map, Program
from ..sasldb.replace import open_regular, wake_readers
from ..transaction import Transaction
from .standing import Standing, Status, look, octets_of

_REASONS = {
    Status.FOREIGN: "was not written by smtpcreds, and was left alone",
    Status.EDITED: "was edited since smtpcreds wrote it, and was left alone",
}


def copy_to(
    work: Transaction, program: Program, facts: Facts, directory: str, *, force: bool = False
) -> list[Standing]:
    """Write the files below another directory, to be carried to the host that they are for; return them.

    Raises:
        ExistsError: another file is there, and ``force`` is not given.
        InexpressibleError: a fact that a format can't hold.
    """
    there = replace(work.site, root=Root(directory))
    found = look(there, program.render(facts), None)
    due = due_files(found, "another directory, or --force to replace it", force=force)
    write_files(due)
    return due


def due_files(found: Iterable[Standing], hint: str, *, force: bool) -> list[Standing]:
    """Return what is to be written."""
    due = [standing for standing in found if standing.is_due]
    for standing in due:
        if standing.status in _REASONS and not force:
            raise ExistsError(standing.path, _REASONS[standing.status], hint)
    return due


def write_files(due: list[Standing]) -> None:
    """Write the files; daemons that have a replaced map open notice."""
    for directory in dict.fromkeys(os.path.dirname(s.path) for s in due):
        if not is_directory(directory):
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
