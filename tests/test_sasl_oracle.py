"""The judge itself: it must be able to say no, and must not say no when it means "can't tell"."""

from pathlib import Path

import pytest
import sasl_oracle

REALM = "dmzmail.polkatistas.org"


def clear_text(path: Path, password: bytes) -> Path:
    sasl_oracle.write_sasldb(path, sasl_oracle.record("maildroid", REALM, "userPassword", password))
    return path


@pytest.mark.parametrize("password", [b"geheim", "pässwörd".encode(), b"Ch1mp? ,03fuzz fl0ppi", b"a" * 500])
def test_clear_text_serves_every_mechanism(tmp_path: Path, password: bytes) -> None:
    db = clear_text(tmp_path / "sasldb2", password)
    assert sasl_oracle.mechanisms(db, "maildroid", REALM, password) == set(sasl_oracle.MECHANISMS)
    assert sasl_oracle.checkpass(db, "maildroid", REALM, password)


@pytest.mark.parametrize(
    ("authcid", "realm", "password"),
    [
        ("maildroid", REALM, b"Geheim"),
        ("Maildroid", REALM, b"geheim"),
        ("maildroid", "example.org", b"geheim"),
    ],
)
def test_no_is_an_answer(tmp_path: Path, authcid: str, realm: str, password: bytes) -> None:
    db = clear_text(tmp_path / "sasldb2", b"geheim")
    assert sasl_oracle.mechanisms(db, authcid, realm, password) == frozenset()
    assert not sasl_oracle.checkpass(db, authcid, realm, password)


def test_each_call_reads_its_own_database(tmp_path: Path) -> None:
    one, two = clear_text(tmp_path / "one", b"eins"), clear_text(tmp_path / "two", b"zwei")
    for db, other, password in ((one, two, b"eins"), (two, one, b"zwei")):
        assert sasl_oracle.authenticate(db, "SCRAM-SHA-256", "maildroid", REALM, password)
        assert not sasl_oracle.authenticate(other, "SCRAM-SHA-256", "maildroid", REALM, password)


def test_unknown_mechanism_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(sasl_oracle.OracleError, match="NO-SUCH"):
        sasl_oracle.authenticate(clear_text(tmp_path / "sasldb2", b"x"), "NO-SUCH", "maildroid", REALM, b"x")


def test_missing_database_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(sasl_oracle.OracleError, match="no such database"):
        sasl_oracle.authenticate(tmp_path / "nowhere", "PLAIN", "maildroid", REALM, b"x")


def test_foreign_database_is_an_error(tmp_path: Path) -> None:
    db = tmp_path / "sasldb2"
    db.write_bytes(b"no Berkeley DB " * 1000)
    with pytest.raises(sasl_oracle.OracleError):
        sasl_oracle.authenticate(db, "PLAIN", "maildroid", REALM, b"x")
