"""Accounts as text, for people and for other programs; ``import`` reads each form back."""

from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..errors import ExistsError, InexpressibleError, PasswordRefusedError, UsageError
from ..files import check_target, sweep_target, write_new
from ..model import Account, Artifact
from ..sasldb.records import AUTH_PASSWORD, USER_PASSWORD, in_order
from .database import AccountDatabase
from .entries import served
from .stored import first_value
from .table import ENCODED


@dataclass(frozen=True, slots=True)
class StoredAccount:
    """One account with everything that the database has of it; ``properties`` are secrets."""

    account: Account
    properties: Mapping[str, bytes] = field(repr=False)


Writer = Callable[[Sequence[StoredAccount]], str]
"""Returns the text of a whole file, in which octets that are not UTF-8 are surrogates."""


def stored_accounts(accounts: AccountDatabase) -> list[StoredAccount]:
    """Return all accounts, sorted by realm and name."""
    return [StoredAccount(account, held) for account, held in in_order(accounts.records())]


def plain_text(found: Sequence[StoredAccount], kind: str) -> str:
    """Return accounts, mechanisms and names of properties; no secret."""
    return _chosen(_PLAIN, kind, f"; {kind} needs --reveal" if kind in _REVEALING else "")(found)


def revealing_text(found: Sequence[StoredAccount], kind: str) -> str:
    """Return everything, secrets too, so that ``import`` makes the same accounts of it."""
    for holding in found:
        if not holding.account.realm:
            reason = "has an empty realm, and would come back in that of the relay that imports it"
            raise InexpressibleError(
                str(holding.account), reason, "copy the database: smtpcreds sasl convert --to bdb NEWFILE"
            )
    return _chosen(_REVEALING, kind, "")(found)


def write_text(text: str, path: str) -> str:
    """Write a new file, mode 0600, and return its path."""
    sweep_target(path)
    if check_target(path) is not None:
        raise _taken(path)
    try:
        write_new(Artifact(path, text.encode(errors="surrogateescape"), 0o600))
    except ExistsError:
        raise _taken(path) from None
    return path


def _taken(path: str) -> ExistsError:
    return ExistsError(path, "exists and was not changed", "name a new file, or remove that one")


def _chosen(writers: Mapping[str, Writer], kind: str, more: str) -> Writer:
    if kind not in writers:
        raise UsageError(f"--as {kind}", f"takes {' or '.join(writers)}{more}")
    return writers[kind]


def _plain_table(found: Sequence[StoredAccount]) -> str:
    rows = (
        (h.account.authcid, h.account.realm, " ".join(served(h.properties)), " ".join(sorted(h.properties)))
        for h in found
    )
    return _csv(("user", "realm", "mechanisms", "properties"), rows)


def _plain_lines(found: Sequence[StoredAccount]) -> str:
    return _json(
        {
            "user": h.account.authcid,
            "realm": h.account.realm,
            "mechanisms": served(h.properties),
            "properties": sorted(h.properties),
        }
        for h in found
    )


def _whole_table(found: Sequence[StoredAccount]) -> str:
    """One column for each property that some account has, all but the password in Base64."""
    others = sorted({name for h in found for name in h.properties} - {USER_PASSWORD})
    header = ("user", "password", "realm", *(name + ENCODED for name in others))
    return _csv(header, (_cells(h, others) for h in found))


def _cells(holding: StoredAccount, others: Sequence[str]) -> Iterator[str]:
    values = holding.properties
    if empty := [name for name, value in values.items() if not value]:
        reason = f"has an empty {empty[0]}, which csv can't tell from none"
        raise InexpressibleError(str(holding.account), reason, "export it as jsonl")
    yield holding.account.authcid
    yield values.get(USER_PASSWORD, b"").decode(errors="surrogateescape")
    yield holding.account.realm
    yield from (b64encode(values.get(name, b"")).decode() for name in others)


def _whole_lines(found: Sequence[StoredAccount]) -> str:
    return _json(map(_object, found))


def _object(holding: StoredAccount) -> dict[str, object]:
    values = dict(holding.properties)
    whole: dict[str, object] = {"user": holding.account.authcid, "realm": holding.account.realm}
    secret = values.pop(USER_PASSWORD, None)
    if secret is not None:
        whole["password"] = secret.decode(errors="surrogateescape")
    if values:
        whole["properties"] = {name: b64encode(value).decode() for name, value in sorted(values.items())}
    return whole


def _passwd_file(found: Sequence[StoredAccount]) -> str:
    return "".join(f"{h.account}:{_dovecot_secret(h)}\n" for h in found)


def _dovecot_secret(holding: StoredAccount) -> str:
    """Return the field of a passwd-file. Clear text goes before a verifier, as it does in Cyrus SASL."""
    from ..passwords import DOVECOT_SCRAM, dovecot_verifier

    name = str(holding.account)
    if any(mark in name for mark in ":\r\n") or name.startswith("#"):
        raise InexpressibleError(ascii(name)[1:-1], "has a name that a passwd-file can't hold")
    values = holding.properties
    if USER_PASSWORD in values:
        return f"{{PLAIN.b64}}{b64encode(values[USER_PASSWORD]).decode()}"
    if field := dovecot_verifier(first_value(values.get(AUTH_PASSWORD, b""))):
        return field
    reason = (
        f"has neither clear text nor a verifier for {' or '.join(DOVECOT_SCRAM)}, so Dovecot can't serve it"
    )
    raise PasswordRefusedError(name, reason, "export it as csv or jsonl")


def _csv(header: Sequence[str], rows: Iterable[Iterable[str]]) -> str:
    return "".join(",".join(map(_cell, row)) + "\n" for row in (header, *rows))


def _cell(text: str) -> str:
    """Quote where RFC 4180 asks for it; the standard library's writer leaves a lone CR bare."""
    if any(mark in text for mark in ',"\r\n') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


def _json(rows: Iterable[Mapping[str, object]]) -> str:
    """Return a line for each; all ASCII where it holds what is not UTF-8, or what a terminal would obey."""
    from json import dumps

    lines = ((dumps(row, ensure_ascii=False), row) for row in rows)
    return "".join((line if line.isprintable() else dumps(row)) + "\n" for line, row in lines)


_PLAIN: dict[str, Writer] = {"csv": _plain_table, "jsonl": _plain_lines}
_REVEALING: dict[str, Writer] = {"csv": _whole_table, "jsonl": _whole_lines, "dovecot": _passwd_file}
