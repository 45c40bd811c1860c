"""Many ordinary accounts are looked at together, and what is found is what a look at each finds."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from smtpcreds.accounts import bulk, table
from smtpcreds.accounts.bulk import Intake, Rules, take_in
from smtpcreds.accounts.database import AccountDatabase
from smtpcreds.accounts.rows import Fault, Pairs, Row
from smtpcreds.accounts.table import ANY, Layout
from smtpcreds.config import DEFAULT_PATH, Settings, Site
from smtpcreds.model import Root
from smtpcreds.sasldb.detect import Format

DOMAIN = "polkatistas.org"
USUAL = [(f"user{n}@{DOMAIN}" if n % 2 else f"user{n}", b"Generated-%06d-secret" % n) for n in range(20)]
ODD = {
    "a name of digits": ("12345", b"Generated-0x-secret"),
    "a hyphen": ("-joe", b"Generated-0x-secret"),
    "a name with a blank": ("joe doe", b"Generated-0x-secret"),
    "a name of another script": ("\u0436\u043e", b"Generated-0x-secret"),
    "two lines": ("joe\nann", b"Generated-0x-secret"),
    "two lines of a secret": ("joe", b"Generated-0x\nGenerated-1x"),
    "no name": ("", b"Generated-0x-secret"),
    "a name with two @": ("joe@a@b", b"Generated-0x-secret"),
    "no realm": ("joe@", b"Generated-0x-secret"),
    "a login": ("root", b"Generated-0x-secret"),
    "the realm in capitals": (f"joe@{DOMAIN.upper()}", b"Generated-0x-secret"),
    "another realm in capitals": ("joe@EXAMPLE.org", b"Generated-0x-secret"),
    "a long name": ("j" * 256, b"Generated-0x-secret"),
    "names of columns": ("username", b"password"),
    "the first of every list": ("joe", b"Passw0rd123!"),
    "the first of every list, in other letters": ("joe", b"5UP3RS3CR3T"),
    "the own name": ("joe.doe", b"JoeDoe12345"),
    "the own address": ("joe", f"joe@{DOMAIN}1".encode()),
    "the own address without marks": ("joe", b"joepolkatistasorg99"),
    "the realm": ("joe", b"polkatistas2026"),
    "a short one": ("joe", b"a1b2c3"),
    "one of digits": ("joe", b"8372915"),
    "a few characters": ("joe", b"a1a1a1a1a1"),
    "a hash": ("joe", b"$6$salt$" + b"a" * 86),
    "PBKDF2": ("joe", b"pbkdf2_sha256$600000$salt$hash"),
    "in marks": ("joe", b"'Generated-0x-secret'"),
    "a blank before": ("joe", b" Generated-0x-secret"),
    "a blank behind": ("joe", b"Generated-0x-secret "),
    "a control": ("joe", b"Generated-\x070x-secret"),
    "no ASCII": ("joe", "Geheimnis-0x-\u00fc".encode()),
    "no secret": ("joe", b""),
    "a very long one": ("joe", b"a1B2" * 600),
}


def database(tmp_path: Path, kind: Format) -> AccountDatabase:
    settings = Settings()._replace(domain=DOMAIN, hub=f"dmzmail.{DOMAIN}")
    site = Site(Root(str(tmp_path)), settings, lambda: datetime(2026, 1, 1, tzinfo=UTC), print, DEFAULT_PATH)
    return AccountDatabase(site, str(tmp_path / "sasldb2"), new=kind)


def rows(*more: tuple[str, bytes]) -> list[Row | Fault]:
    pairs = enumerate((*USUAL, *more), 2)
    return [Row(f"line {n}", name, "", {"userPassword": secret}) for n, (name, secret) in pairs]


@pytest.mark.parametrize("rules", [Rules(is_table=True), Rules(is_exact=True), Rules("example.org")])
@pytest.mark.parametrize("kind", Format)
@pytest.mark.parametrize("odd", ODD)
def test_together_and_each_alone_are_the_same(
    odd: str, kind: Format, rules: Rules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = database(tmp_path, kind)
    together = take_in(accounts, rows(ODD[odd]), rules)
    monkeypatch.setattr(bulk._Check, "_ordinary", lambda *_: None)
    assert take_in(accounts, rows(ODD[odd]), rules) == together


@pytest.mark.parametrize("more", ["a fault", "a realm of its own", "another property"])
def test_what_is_no_name_and_secret_alone_is_looked_at_alone(more: str, tmp_path: Path) -> None:
    kinds: dict[str, Row | Fault] = {
        "a fault": Fault("line 99", "is odd"),
        "a realm of its own": Row("line 99", "joe", "example.org", {"userPassword": b"Generated-0x-secret"}),
        "another property": Row("line 99", "joe", "", {"authPassword": b"x", "userPassword": b"Generat-0x"}),
    }
    found = take_in(database(tmp_path, Format.BDB), [*rows(), kinds[more]], Rules())
    assert len(found.accepted) + len(found.refused) == len(USUAL) + 1
    assert [fault.reason for fault in found.refused] == (["is odd"] if more == "a fault" else [])


def test_of_ordinary_accounts_none_is_looked_at_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(bulk._Check, "candidate")
    assert len(take_in(database(tmp_path, Format.BDB), rows(), Rules(is_table=True)).accepted) == len(USUAL)


@pytest.mark.parametrize("odd", ODD)
def test_beside_an_odd_row_the_others_are_taken_together(
    odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of generated secrets one in fifty has no digit, and could be the name of a column."""
    alone: list[Row] = []
    one_by_one = bulk._Check.candidate

    def counted(self: bulk._Check, row: Row) -> object:
        alone.append(row)
        return one_by_one(self, row)

    monkeypatch.setattr(bulk._Check, "candidate", counted)
    many = [Row(f"line {n}", f"usual{n}", "", {"userPassword": b"Generated-%dx" % n}) for n in range(200)]
    found = take_in(database(tmp_path, Format.BDB), [*many[:99], *rows(ODD[odd]), *many[99:]], Rules())
    assert len(found.accepted) >= len(many) + len(USUAL)
    assert len(alone) <= bulk._FEW


LINES = {
    "ordinary": "joe,Generated-0x-secret\n",
    "a blank line": "\n",
    "commas alone": ",\n",
    "a cell more": "joe,Generated-0x-secret,x\n",
    "a cell less": "joe\n",
    "one more and one less": "joe,Generated-0x-secret,ann\nGenerated-1x-secret\n",
    "in quotation marks": '"joe","Generated-0x-secret"\n',
    "a line feed in quotation marks": 'joe,"Generated-0x\nGenerated,1x"\n',
    "as Windows ends lines": "joe,Generated-0x-secret\r\n",
    "a comment": "#joe,Generated-0x-secret\n",
    "a colon": "joe,Generated:0x-secret\n",
    "no line end": "joe,Generated-0x-secret",
    "a very long line": "joe,Generated-0x" + "x" * 500 + "\n",
    "it comes twice": "user3,Generated-000003-secret\n",
    "it comes twice with another secret": "user3,Generated-0x-secret\n",
    **{odd: f"{name},{secret.decode()}\n" for odd, (name, secret) in ODD.items()},
}


@pytest.mark.parametrize("kind", ["csv", "colon"])
@pytest.mark.parametrize("header", ["", "user,password\n"])
@pytest.mark.parametrize("odd", LINES)
def test_a_table_is_the_same_in_blocks_and_line_by_line(
    odd: str, header: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = [f"user{n},Generated-{n:06d}-secret\n" for n in range(9)]
    text = header + "".join(usual[:5]) + LINES[odd] + "".join(usual[5:])
    content = text.replace(",", table.DELIMITERS[kind]).encode()
    layout = Layout(header=bool(header))

    def taken(block: int) -> tuple[Intake, int]:
        monkeypatch.setattr(table, "_BLOCK", block)
        rows = list(table.read_table(content, kind, layout, "accounts").rows)
        blocks = sum(isinstance(row, Pairs) for row in rows)
        return take_in(database(tmp_path, Format.BDB), rows, Rules(is_table=True)), blocks

    (alone, none), (small, some), (whole, _) = taken(0), taken(64), taken(1 << 16)
    assert none == 0
    assert some > 0
    assert small == whole == alone


def test_of_a_table_of_ordinary_accounts_no_account_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A million of them would take twice the memory of their records."""
    lines = "".join(f"user{n:06d}@example.org,Generated-{n:06d}-secret\n" for n in range(5000))
    source = table.read_table(f"user,password\n{lines}".encode(), "csv", ANY, "accounts")
    made: list[object] = []
    monkeypatch.setattr(bulk, "Account", lambda *names: made.append(names))
    intake = take_in(database(tmp_path, Format.BDB), source.rows, Rules(is_table=True))
    merged = bulk.merge({}, intake.accepted, bulk.OnConflict.FAIL)
    assert len(intake.accepted) == len(merged.added) == len(merged.edits) == 5000
    assert merged.edits is intake.accepted.records
    assert not made
