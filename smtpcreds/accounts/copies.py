"""Copies of the account database, for programs that can't reach it, such as an smtpd in a chroot.

A copy changes just before the database does, under the database's lock. A run that is killed in between is
typed again, finds the account as it was, and changes both; a deleted account is never gone from the database
alone. A run that fails puts the copies back.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from ..config import Site
from ..errors import DataError, MissingInputError, SmtpcredsError
from ..files import check_target, exists, explained, remove, set_mode, set_owner
from ..model import Owner
from ..sasldb.detect import Format
from ..sasldb.observed import hold
from ..sasldb.opening import format_at, open_store
from ..sasldb.replace import PRIVATE, NewFile
from ..sasldb.store import Change, Edits, Store, edited

Records = Mapping[bytes, bytes]


class _Place(NamedTuple):
    """A copy that is to exist; ``kind`` None keeps the format that it has."""

    path: str
    kind: Format | None = None
    origin: NewFile = PRIVATE


def copies_of(site: Site, database: str) -> tuple[str, ...]:
    """Return the paths of the copies that the configuration wants of a database; those that exist."""
    if database != site.sasldb:
        return ()
    paths = tuple(map(site.path, site.settings.sasl.copies))
    for path in paths:
        if not exists(path):
            site.warn(f"{path}: is missing; of the program that reads it: smtpcreds mta apply PROGRAM")
    return tuple(filter(exists, paths))


def apply_with(copies: Sequence[str], store: Store, change: Change) -> None:
    """Change the database, and its copies first."""
    if not copies:
        store.apply(change)
        return
    places = [_Place(path) for path in copies]
    try:
        store.apply(_ahead(places, change))
    except BaseException:
        with suppress(SmtpcredsError):
            store.apply(_ahead(places, _nothing))
        raise


def make_copy(database: str, path: str, origin: NewFile) -> None:
    """Make a copy, or give one that exists the records, format, mode and owner that it should have."""
    kind = format_at(database)
    if kind is None:
        raise MissingInputError(
            database, "does not exist", "add an account to make it: smtpcreds sasl add NAME"
        )
    if check_target(path):
        with explained(path):
            _adorn(path, origin)
    open_store(database).apply(_ahead([_Place(path, kind, origin)], _nothing))


def is_copy(database: str, path: str) -> bool:
    """Tell whether a file has the records of the database and its format; a missing database has none."""
    kind = format_at(database)
    try:
        found = open_store(path).load()
        return format_at(path) == kind and found == open_store(database).load()
    except DataError:
        return False


def _ahead(places: Sequence[_Place], change: Change) -> Change:
    """Return a change that copies its result before it gives it. To be called again does no harm."""

    def copied(records: Records) -> Edits:
        edits = change(records)
        wanted = edited(records, edits)
        for place in places:
            _put(place, wanted)
        return edits

    return copied


def _nothing(_: Records) -> Edits:
    return {}


def _put(place: _Place, records: Records) -> None:
    """Give a copy exactly these records; one of another format, or that can't be read, is made anew."""
    origin = place.origin
    status = check_target(place.path)
    if status and not _is_readable(place):
        origin = NewFile(status.st_mode & 0o777, Owner(status.st_uid, status.st_gid))
        remove(place.path)
        hold(place.path, {}, place.kind)
    store = open_store(place.path, new=place.kind, origin=origin)
    store.apply(lambda old: {**dict.fromkeys(old), **records})


def _is_readable(place: _Place) -> bool:
    try:
        open_store(place.path, new=place.kind).load()
    except DataError:
        return False
    return True


def _adorn(path: str, origin: NewFile) -> None:
    """Set owner and mode; a reader that loses access loses it first."""
    found = os.stat(path)
    if found.st_mode & 0o777 & ~origin.mode:
        set_mode(path, stat.S_IMODE(found.st_mode) & origin.mode)
    if origin.owner and origin.owner != (found.st_uid, found.st_gid):
        set_owner(path, origin.owner.uid, origin.owner.gid)
    if stat.S_IMODE(found.st_mode) != origin.mode:
        set_mode(path, origin.mode)
