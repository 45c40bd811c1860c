"""Backups that somebody crafted: members and rows altered, under a digest that fits."""

import io
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime

from admin import Admin

from smtpcreds.bundle.archive import Kind, Member, tar_of

Members = list[Member]


def plain(hub: Admin) -> bytes:
    """A backup in the clear."""
    return hub.run("ca", "backup", "-").octets


def made_of(members: Members) -> bytes:
    """An archive in order, whose digest fits, by somebody who can make one."""
    return tar_of("smtpcreds backup 1 host=hub.example at=2026-11-28T12:00:00Z", members, datetime.now(UTC))


def members_in(data: bytes) -> Members:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return [
            Member(i.name, i.mode, kind=Kind.LINK, target=i.linkname)
            if i.issym()
            else Member(i.name, i.mode, archive.extractfile(i).read())  # type: ignore[union-attr]
            for i in archive
        ]


def with_more(*more: Member) -> Callable[[Members], Members]:
    return lambda members: [*members, *more]


def without(name: str) -> Callable[[Members], Members]:
    return lambda members: [member for member in members if member.path != name]


def with_other(name: str, content: bytes) -> Callable[[Members], Members]:
    return lambda members: [*without(name)(members), Member(name, 0o600, content)]


def with_inventory(hub: Admin, *statements: str) -> bytes:
    """An archive whose inventory somebody changed by SQL."""
    members = members_in(plain(hub))
    path = hub.directory / "inventory"
    path.write_bytes(next(one.content for one in members if one.path.endswith("sqlite3")))
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        for statement in statements:
            database.execute(statement)
        database.execute("PRAGMA journal_mode = DELETE")
    return made_of(with_other("state/inventory.sqlite3", path.read_bytes())(members))
