"""Copies of the account database that a mail program reads: made here, then kept in step by every change."""

import os
import stat
from collections.abc import Iterable, Iterator

from ..accounts.copies import is_copy, make_copy
from ..config import Site
from ..errors import MissingInputError
from ..files import check_target, ensure_directory, exists, is_directory
from ..files.guard import owner as file_owner
from ..mta.program import Copy, Include
from ..sasldb.replace import NewFile, tidy
from ..shell import quote
from .files import owner_of


def copy_faults(site: Site, copies: Iterable[Copy]) -> Iterator[tuple[str, str]]:
    """Yield path and fault of each copy that is not as it should be."""
    for copy in copies:
        path = site.path(copy.path)
        yield from ((path, fault) for fault in _faults(site, copy, path))


def configuration(site: Site, copies: Iterable[Copy]) -> tuple[Include, ...]:
    """Return what the configuration lacks so that changes of accounts reach the copies."""
    known = site.settings.sasl.copies
    paths = [*known, *(copy.path for copy in copies)]
    if len(paths) == len(known) or set(paths) == set(known):
        return ()
    listed = ", ".join(f'"{path}"' for path in dict.fromkeys(paths))
    return (Include(site.settings_path, (f"copies = [{listed}]",), "in table [sasl]"),)


def due_copies(site: Site, copies: Iterable[Copy]) -> tuple[Copy, ...]:
    """Return the copies that are to be made or made right."""
    for copy in copies:
        if is_directory(os.path.dirname(site.path(copy.path))):
            tidy(site.path(copy.path))
    due = tuple(copy for copy in copies if any(_faults(site, copy, site.path(copy.path))))
    if due and not exists(site.sasldb):
        account = site.settings.sasl.account
        raise MissingInputError(site.sasldb, "does not exist", f"smtpcreds sasl add {quote(str(account))}")
    return due


def write_copies(site: Site, copies: Iterable[Copy]) -> None:
    """Make the copies."""
    for copy in copies:
        path = site.path(copy.path)
        ensure_directory(os.path.dirname(path), 0o755, tighten=False)
        make_copy(site.sasldb, path, NewFile(copy.mode, owner_of(site.root, copy.user, copy.group)))


def _faults(site: Site, copy: Copy, path: str) -> Iterator[str]:
    found = check_target(path)
    if found is None:
        yield "is missing"
        return
    if not is_copy(site.sasldb, path):
        yield f"is not a current copy of {site.sasldb}"
    owner = owner_of(site.root, copy.user, copy.group)
    if stat.S_IMODE(found.st_mode) != copy.mode:
        yield f"has mode {stat.S_IMODE(found.st_mode):04o}, not {copy.mode:04o}"
    if owner and (found.st_uid, found.st_gid) != (owner.uid, owner.gid):
        yield f"belongs to {file_owner(found)}, not to {copy.user}:{copy.group}"
