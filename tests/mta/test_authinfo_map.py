"""The authinfo map: what is written is what sendmail reads, and its limits are kept."""

import pytest
from admin import HUB
from hypothesis import given
from hypothesis import strategies as st

from smtpcreds.errors import DamagedFileError, InexpressibleError
from smtpcreds.model import Account, Credential
from smtpcreds.mta.auth_info import MAX_MAP_LINE, entry, parse_map, record, source
from smtpcreds.mta.program import masked, octets
from smtpcreds.secret import Secret


def credential(secret: bytes, authcid: str = "maildroid", realm: str = HUB) -> Credential:
    return Credential(Account(authcid, realm), Secret(secret), HUB)


@given(st.binary(min_size=1, max_size=189).filter(lambda b: b"\0" not in b))
def test_every_secret_comes_back(secret: bytes) -> None:
    found = parse_map(octets(source(*entry(HUB, credential(secret), ("CRAM-MD5",)))), "authinfo")
    assert list(found) == [f"AuthInfo:{HUB}"]
    info = found[f"AuthInfo:{HUB}"]
    assert (info.authzid, info.authcid, info.realm) == ("maildroid", "maildroid", HUB)
    assert info.secret == Secret(secret)
    assert info.mechanisms == ("CRAM-MD5",)


@given(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=40))
def test_every_name_comes_back(name: str) -> None:
    text = octets(source(*entry(HUB, credential(b"secret", name, "other.example"))))
    assert text.count(b"\n") == 1
    assert parse_map(text, "authinfo")[f"AuthInfo:{HUB}"].authcid == f"{name}@other.example"


def test_the_line_is_as_sendmails_manual_has_it() -> None:
    key, value = entry(HUB, credential(b"secret"), ("CRAM-MD5", "DIGEST-MD5"))
    line = f'AuthInfo:{HUB}\t"U:maildroid" "I:maildroid" "P=c2VjcmV0" "R:{HUB}" "M:CRAM-MD5 DIGEST-MD5"\n'
    assert octets(source(key, value)).decode() == line
    assert b"c2VjcmV0" not in masked(value)
    assert record(key, value) == (f"authinfo:{HUB}".encode(), value)


@pytest.mark.parametrize(
    ("secret", "fault"),
    [(b"", "is empty"), (b"a\0b", "contains a NUL"), (b"x" * 190, "is over 189 octets")],
)
def test_a_secret_that_sendmail_would_drop_is_refused(secret: bytes, fault: str) -> None:
    with pytest.raises(InexpressibleError, match=f"maildroid@{HUB}: the secret {fault}") as refusal:
        entry(HUB, credential(secret))
    assert refusal.value.hint == f"smtpcreds sasl passwd maildroid@{HUB}"


def test_names_and_lines_that_are_too_long_are_refused() -> None:
    with pytest.raises(InexpressibleError, match="the user name is too long"):
        entry(HUB, credential(b"x", "a" * 250, "other.example"))
    assert len(octets(source(*entry(HUB, credential(b"x" * 150, "a" * 250))))) <= MAX_MAP_LINE + 1
    with pytest.raises(InexpressibleError, match="makes a line"):
        entry(HUB, credential(b"x" * 189, "a" * 250), ("SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5") * 6)


@pytest.mark.parametrize(
    "line",
    [
        b"AuthInfo:h",
        b'AuthInfo:h "U:a"',
        b'AuthInfo:h "P=c2VjcmV0"',
        b'AuthInfo:h "U:a" "P=?"',
        b'AuthInfo:h "U:a" "P=c2VjcmV0" "X:y"',
        b'AuthInfo:h U:a "P=c2VjcmV0"',
        b'192.0.2.1 "U:a" "P=c2VjcmV0"',
    ],
)
def test_what_sendmail_would_not_understand_is_damage(line: bytes) -> None:
    with pytest.raises(DamagedFileError, match="line 2 "):
        parse_map(b"# comment\n" + line + b"\n", "authinfo")
