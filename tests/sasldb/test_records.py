"""Record keys and values as Cyrus SASL takes them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcreds.accounts.entries import listing
from smtpcreds.errors import InexpressibleError, NameRefusedError, PasswordRefusedError
from smtpcreds.model import Account
from smtpcreds.sasldb import bdb, records

from . import peers

MAILDROID = Account("maildroid", "dmzmail.polkatistas.org")
names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40)


def test_a_key_is_what_saslpasswd2_writes(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    peers.saslpasswd(path, "élève", "Zürich", "pässwort".encode())
    account = Account("élève", "Zürich")
    assert records.by_account(bdb.decode(path.read_bytes())) == {
        account: {records.USER_PASSWORD: "pässwort".encode()}
    }
    assert list(bdb.decode(path.read_bytes())) == [records.pack(account, records.USER_PASSWORD)]


@given(names, names, names)
def test_keys_go_there_and_back(authcid: str, realm: str, prop: str) -> None:
    assert records.unpack(records.pack(Account(authcid, realm), prop)) == (Account(authcid, realm), prop)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_key_or_a_stray(key: bytes) -> None:
    if named := records.unpack(key):
        assert records.pack(*named) == key
        assert records.orphans({key: b""}) == []
    else:
        assert records.orphans({key: b""}) == [key]


def test_sasldblistusers2_never_ends_on_a_stray(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    path.write_bytes(bdb.encode({b"one\0nul": b"x"}))
    assert not peers.ends(["sasldblistusers2", "-f", str(path)], seconds=0.5)


@pytest.mark.parametrize(
    ("account", "prop"), [(Account("a\0b", "r"), "p"), (Account("a", "r\0"), "p"), (Account("a", "r"), "p\0")]
)
def test_a_name_with_nul_is_refused(account: Account, prop: str) -> None:
    with pytest.raises(NameRefusedError):
        records.pack(account, prop)


def test_limits() -> None:
    longest = "u" * (records.MAX_KEY - len("\0r\0userPassword"))
    records.record(Account(longest, "r"), records.USER_PASSWORD, b"p" * records.MAX_VALUE)
    with pytest.raises(InexpressibleError, match="1025 bytes"):
        records.pack(Account(longest + "u", "r"), records.USER_PASSWORD)
    with pytest.raises(InexpressibleError, match="8192 bytes"):
        records.record(MAILDROID, records.USER_PASSWORD, b"p" * 8192)


@pytest.mark.parametrize("password", [b"", b"with\0nul"])
def test_a_password_that_cyrus_would_cut_is_refused(password: bytes) -> None:
    with pytest.raises(PasswordRefusedError) as caught:
        records.record(MAILDROID, records.USER_PASSWORD, password)
    assert "nul" not in str(caught.value)


@given(
    st.dictionaries(
        st.binary(max_size=20) | st.from_regex(rb"[a\xff]\0[b\xc3]\0.{0,2}", fullmatch=True),
        st.binary(max_size=5),
    )
)
def test_accounts_are_the_keys_taken_apart(found: dict[bytes, bytes]) -> None:
    expected: dict[Account, dict[str, bytes]] = {}
    for key, value in found.items():
        if named := records.unpack(key):
            expected.setdefault(named[0], {})[named[1]] = value
    assert records.by_account(found) == expected


def test_a_replacement_takes_every_property_of_the_account_and_of_no_other() -> None:
    def key(name: str, realm: str, prop: str) -> bytes:
        return records.pack(Account(name, realm), prop)

    theirs = {key("maildroid2", MAILDROID.realm, "userPassword"): b"1", key("maildroid", "other", "x"): b"2"}
    mine = {
        records.pack(MAILDROID, prop): b"old"
        for prop in (
            *records.MECHANISM_SECRETS,
            records.AUTH_PASSWORD,
            records.USER_PASSWORD,
            "unknownProperty",
        )
    }
    edits = records.replacement({**theirs, **mine}, MAILDROID, {records.AUTH_PASSWORD: b"new"})
    assert edits == {**dict.fromkeys(mine), records.pack(MAILDROID, records.AUTH_PASSWORD): b"new"}
    assert records.properties({**theirs, **mine}, MAILDROID)["unknownProperty"] == b"old"
    assert records.replacement(theirs, MAILDROID, {}) == {}


def test_a_listing_is_not_confused_by_keys_of_no_account() -> None:
    """They may look like a userPassword; two of them may even have the right number of NULs together."""
    ordinary = {b"a\0r\0userPassword": b"x", b"b\0q\0userPassword": b"y"}
    strange = {b"a\0r\0s\0userPassword": b"x", b"c\0userPassword": b"z"}
    for stray in ({}, strange, *({key: value} for key, value in strange.items())):
        assert listing({**ordinary, **stray}).names == ["b@q", "a@r"]
        assert not listing({**ordinary, **stray}).others
    odd = {b"b\0r\0userPassword": b"x\r", b"b\0r\0authPassword": b"z"}
    assert listing({**ordinary, **strange, **odd}).names == ["b@q", "a@r", "b@r"]
    assert list(listing({**ordinary, **odd}).others) == ["b@r"]
