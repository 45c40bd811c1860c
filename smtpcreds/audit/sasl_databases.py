"""SASL: the file that the accounts are in, and its copies."""

import os
import stat
from collections.abc import Iterator
from functools import partial

from ..accounts.copies import is_copy, make_copy
from ..model import Owner
from ..sasldb.detect import PLUGIN_DIRECTORIES, Format, host_format
from ..sasldb.opening import format_at, open_store
from ..sasldb.replace import Origin
from ..sasldb.slack import leftovers
from .finding import Finding, Repair, found
from .world import World


def readable(world: World) -> Iterator[Finding]:
    """The database is one."""
    if world.damage:
        path = world.damage.subject
        account = world.site.settings.sasl.account
        cure = f"mv {path} {path}.damaged && smtpcreds sasl add {account}, or put it back from a backup"
        yield found("SASL016", path, f"{world.damage.reason}, so every login fails", cure)


def backend(world: World) -> Iterator[Finding]:
    """The database has the format of this host's Cyrus SASL."""
    if not _is_sound(world):
        return
    path = world.site.sasldb
    here, there = host_format([world.path(pattern) for pattern in PLUGIN_DIRECTORIES]), format_at(path)
    if here and there and here is not there:
        reason = f"has format {there}, and the plugin sasldb of this host reads {here}"
        cure = f"smtpcreds sasl convert {path}.new --to {here} && mv {path}.new {path}"
        yield found("SASL007", path, reason, cure)


def slack(world: World) -> Iterator[Finding]:
    """Nothing readable is left of secrets that were replaced; only Berkeley DB files are looked at."""
    path = world.site.sasldb
    if not _is_sound(world) or format_at(path) is not Format.BDB:
        return
    if number := leftovers(world.content(path) or b"", path):
        reason = f"still holds {number} pieces of records that were deleted or replaced"
        cure = "smtpcreds audit --fix --only SASL012"
        yield found("SASL012", path, reason, cure, Repair(path, partial(_rewrite, path)))


def copies(world: World) -> Iterator[Finding]:
    """Each copy holds the accounts as they are; programs of others change the database alone."""
    if not _is_sound(world):
        return
    database = world.site.sasldb
    for path in map(world.path, world.site.settings.sasl.copies):
        if os.path.exists(path) and not is_copy(database, path):
            reason = f"is no copy of {database} as it is now; who reads it lets others in"
            cure = "smtpcreds audit --fix --only SASL017"
            repair = Repair(path, partial(_copy, database, path))
            yield found("SASL017", path, reason, cure, repair)


def _is_sound(world: World) -> bool:
    return world.has_accounts_in_file and not world.damage


def _copy(database: str, path: str) -> None:
    """Give a copy the accounts; its mode and owner are other checks."""
    status = os.stat(path)
    owner = Owner(status.st_uid, status.st_gid) if os.geteuid() == 0 else None
    make_copy(database, path, Origin(stat.S_IMODE(status.st_mode), owner))


def _rewrite(path: str) -> None:
    open_store(path).rewrite()
