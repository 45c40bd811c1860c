import ctypes
from collections.abc import Callable
from ctypes import POINTER, byref, c_char_p, c_int, c_void_p

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcreds.errors import PasswordRefusedError
from smtpcreds.passwords import check_chosen, generate
from smtpcreds.secret import Secret

PRINTABLE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1, max_size=100)


def is_accepted(text: str) -> bool:
    try:
        check_chosen(Secret(text))
    except PasswordRefusedError:
        return False
    return True


@pytest.mark.parametrize(
    "text",
    [
        "geheim",
        " leading",
        "Ch1mp? ,03fuzz fl0ppi",
        "a:b#c\"d\\e'f$g%h!i=j",
        "pässwörd",
        "пароль",
        "密码",
        "x" * 2047,
    ],
)
def test_accepted(text: str) -> None:
    check_chosen(Secret(text))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "is empty"),
        (b"a\0b", "a NUL"),
        (b"geheim\n", "a line feed"),
        (b"geheim\r", "a carriage return"),
        (b"ge\theim", "a TAB"),
        (b"ge\x1bheim", "control character"),
        (b"geheim\x7f", "control character"),
        (b"geheim ", "ends in a space"),
        (b"x" * 2048, "2048 octets"),
        ("ä".encode() * 1024, "2048 octets"),
        (b"p\xe4ss", "not UTF-8"),
        (b"\xed\xa0\x80", "not UTF-8"),
        ("pa\u00adss".encode(), "invisible character"),
        ("pa\u00a0ss".encode(), "unusual space"),
        ("pa\ufb01ss".encode(), "normal form"),
        ("pa\u00aass".encode(), "normal form"),
        ("a\u0308".encode(), "normal form"),
        ("pa\U0001f600ss".encode(), "emoji"),
        ("pa\u0085ss".encode(), "control character"),
        ("pa\ue000ss".encode(), "private-use"),
        ("\u05d0x".encode(), "right-to-left"),
        ("pa\ufffdss".encode(), "not plain text"),
    ],
)
def test_refused_with_the_reason(value: bytes, reason: str) -> None:
    with pytest.raises(PasswordRefusedError, match=reason) as caught:
        check_chosen(Secret(value), "password of m@example.org")
    assert caught.value.subject == "password of m@example.org"
    assert "generate:" in str(caught.value.hint)


@given(st.text(max_size=20))
def test_messages_never_show_the_secret(text: str) -> None:
    probe = f"\ufb01{text}zq9"
    with pytest.raises(PasswordRefusedError) as caught:
        check_chosen(Secret(probe.encode(errors="surrogatepass")))
    assert "zq9" not in repr(caught.value)
    assert "\ufb01" not in repr(caught.value)


@given(PRINTABLE)
def test_printable_ascii_is_refused_only_for_its_end(text: str) -> None:
    assert is_accepted(text) == (not text.endswith(" "))


def test_generated_secrets_are_accepted() -> None:
    for _ in range(50):
        check_chosen(generate())


class TestAgainstLibidn:
    """libidn's SASLprep, which GNU SASL clients apply, was written independently of Python's tables."""

    def test_every_kind_of_character_is_judged_alike(self) -> None:
        prepare = libidn_saslprep()
        points = [*range(0x80, 0x600), *range(0x600, 0x11000, 7), *range(0x11000, 0x110000, 997)]
        texts = [f"x{chr(point)}y" for point in points if not 0xD800 <= point < 0xE000]
        assert [t for t in texts if is_accepted(t) != (prepare(t.encode()) == t.encode())] == []

    def test_right_to_left_words(self) -> None:
        prepare = libidn_saslprep()
        for text in (
            "\u05d0\u05d1",
            "\u05d01\u05d1",
            "\u05d01",
            "1\u05d0",
            "\u05d0x\u05d1",
            "\u0627\u0660\u0628",
        ):
            assert is_accepted(text) == (prepare(text.encode()) == text.encode()), text


def libidn_saslprep() -> Callable[[bytes], bytes | None]:
    library = ctypes.CDLL("libidn.so.12")
    library.stringprep_profile.argtypes = (c_char_p, POINTER(c_void_p), c_char_p, c_int)
    library.idn_free.argtypes = (c_void_p,)
    no_unassigned = 4

    def prepare(value: bytes) -> bytes | None:
        out = c_void_p()
        if library.stringprep_profile(value, byref(out), b"SASLprep", no_unassigned):
            return None
        prepared = ctypes.string_at(out.value or 0)
        library.idn_free(out)
        return prepared

    return prepare
