"""Parsers of what is typed, and of values within files; see :mod:`.parsers`."""

import os
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from cryptography.hazmat.primitives import serialization as coding

from smtpcreds.accounts.database import AccountDatabase
from smtpcreds.audit import sendmail_filters
from smtpcreds.ca.reload import Hook
from smtpcreds.cli.framework import parse_duration
from smtpcreds.config import Settings, Site
from smtpcreds.deploy import facts
from smtpcreds.errors import SmtpcredsError
from smtpcreds.model import Account, Root
from smtpcreds.mta import exim_hub
from smtpcreds.pki.keys import decode_public_key
from smtpcreds.sasldb.records import pack, unpack
from smtpcreds.sources import KINDS, parse_source

from . import alter

Row = tuple[Callable[[bytes], object], Callable[[], list[bytes]], alter.Alter]
_CLOCK = datetime(2026, 1, 1, tzinfo=UTC)
_ARGUMENTS = {"fd": "7", "file": "/a b", "env": "SMTPCREDS_X", "cmd": "pass show 'a b'", "generate": "words"}
_ARGUMENTS |= {"keyring": "smtpcreds/ca", "credential": "ca"}


def _text(parse: Callable[[str], object]) -> Callable[[bytes], object]:
    return lambda data: parse(data.decode(errors="surrogateescape"))


def _source(text: str) -> object:
    """A source takes its variable out of the environment."""
    kept = dict(os.environ)
    try:
        return parse_source(text)
    finally:
        os.environ.update(kept)


def _public_key() -> bytes:
    form = coding.PublicFormat.SubjectPublicKeyInfo
    return alter.key().public_key().public_bytes(coding.Encoding.DER, form)


def _account(text: str) -> object:
    site = Site(Root("/nonexistent"), Settings(hub="hub.example"), lambda: _CLOCK, lambda _: None)
    accounts = AccountDatabase(site)
    found = []
    for realm in (None, "hub.example"):
        with suppress(SmtpcredsError):
            found.append(accounts.parse(text, realm))
    return found


def _filter(text: str) -> object:
    return [sendmail_filters._parse(*found) for found in sendmail_filters.FILTER.findall(text)]


def rows() -> dict[str, Row]:
    """Return the parsers by name: what reads, sound data, what alters them."""
    texts: dict[str, tuple[Callable[[str], object], list[str]]] = {
        "command of --reload": (Hook.parse, ["sh -c 'true; false'", "true"]),
        "source of a secret": (_source, [f"{kind}:{_ARGUMENTS.get(kind, '')}" for kind in KINDS]),
        "fingerprint that is typed": (facts._parse_fingerprint, ["AB:" * 31 + "AB", "0f" * 32]),
        "duration": (parse_duration, ["12h", "4w"]),
        "account of a database": (_account, ["joe", "joe@hub.example"]),
        "filter of Sendmail": (_filter, ["Xclamav, S=local:/run/x.sock, F=T, T=S:4m;R:4m\n"]),
    }
    return {
        **{
            name: (_text(parse), lambda sound=sound: [one.encode() for one in sound], alter.text)  # type: ignore[misc]
            for name, (parse, sound) in texts.items()
        },
        "client hosts of Exim": (
            lambda data: exim_hub.parse(exim_hub.CLIENTS, data),
            lambda: [b"# x\n" + b"ab" * 32 + b": attic.example\n"],
            alter.text,
        ),
        "public key of a token": (
            lambda data: decode_public_key(data, "token"),
            lambda: [_public_key()],
            alter.either(alter.der, alter.octets),
        ),
        "key of a record": (unpack, lambda: [pack(Account("joe", "hub"), "userPassword")], alter.octets),
    }
