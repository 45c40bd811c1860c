"""Replies from octets: whatever comes, a reply or our own error, and never more memory than the limits."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smtpcreds.smtp.connection import MAX_LINE, MAX_LINES, Replies, Reply, ReplyError, capabilities, printable


def replies(*pieces: bytes) -> list[Reply]:
    parser, found = Replies("peer"), []
    for piece in pieces:
        parser.feed(piece)
        while reply := parser.take():
            found.append(reply)
    return found


LINES = st.tuples(st.integers(200, 599), st.lists(st.binary(max_size=60), min_size=1, max_size=5))


def encoded(code: int, lines: list[bytes], end: bytes) -> bytes:
    marks = [b"-"] * (len(lines) - 1) + [b" "]
    return b"".join(b"%d%b%b%b" % (code, mark, line, end) for mark, line in zip(marks, lines, strict=True))


@given(st.lists(LINES, max_size=4), st.sampled_from([b"\r\n", b"\n"]), st.integers(1, 50))
def test_replies_come_out_as_they_went_in_however_they_are_cut(
    said: list[tuple[int, list[bytes]]], end: bytes, size: int
) -> None:
    clean = [(code, [line.translate(None, b"\r\n") for line in lines]) for code, lines in said]
    octets = b"".join(encoded(code, lines, end) for code, lines in clean)
    pieces = [octets[at : at + size] for at in range(0, len(octets), size)]
    assert replies(*pieces) == [Reply(code, tuple(map(printable, lines))) for code, lines in clean]


@given(st.lists(st.binary(max_size=3000), max_size=20))
def test_any_octets_give_replies_or_our_error_in_bounded_memory(pieces: list[bytes]) -> None:
    parser = Replies("peer")
    with suppress(ReplyError):
        for piece in pieces:
            parser.feed(piece)
            while reply := parser.take():
                assert 200 <= reply.code <= 599
                assert all(line.isprintable() for line in reply.lines)
                capabilities(reply)
            assert len(parser._buffer) < MAX_LINE
            assert len(parser._lines) <= MAX_LINES


@pytest.mark.parametrize(
    ("octets", "complaint"),
    [
        (b"220 " + b"x" * MAX_LINE, "over 2048 octets"),
        (b"220-x\r\n" * (MAX_LINES + 1), "over 100 lines"),
        (b"220-x\r\n250 y\r\n", "two codes, 220 and 250"),
        (b"HTTP/1.1 400 Bad Request\r\n", "not a reply: 'HTTP/1.1 400"),
        (b"\x16\x03\x01\r\n", "not a reply"),
        (b"22 x\r\n", "not a reply"),
        (b"2200 x\r\n", "not a reply"),
        (b"120 x\r\n", "not a reply"),
        (b"\r\n", "not a reply"),
    ],
)
def test_what_is_no_reply(octets: bytes, complaint: str) -> None:
    with pytest.raises(ReplyError, match=complaint):
        replies(octets)


def test_the_longest_that_is_taken() -> None:
    (reply,) = replies(b"220-x\r\n" * (MAX_LINES - 1) + b"220 " + b"y" * (MAX_LINE - 6) + b"\r\n")
    assert len(reply.lines) == MAX_LINES
    assert len(str(reply)) < 400


def test_nothing_can_move_the_cursor() -> None:
    (reply,) = replies(b"220 \x1b[2J\x07 \xfc \xc3\xbc\x00\xe2\x80\xae\r\n")
    assert reply.lines == ("\\x1b[2J\\x07 \\xfc ü\\x00\\u202e",)


def test_capabilities() -> None:
    lines = (
        "250-peer.example AUTH GUEST",
        "250-auth plain PLAIN",
        "250-AUTH=LOGIN",
        "250-SIZE 10",
        "250 AUTH X",
    )
    (reply,) = replies("".join(f"{line}\r\n" for line in lines).encode())
    found = capabilities(reply)
    assert found.mechanisms == ("PLAIN", "X")
    assert "SIZE" in found
    assert "PEER.EXAMPLE" not in found


def test_what_was_not_taken_can_be_forgotten() -> None:
    parser = Replies("peer")
    parser.feed(b"220 go\r\n250-injected\r\n250 ")
    assert parser.take() == Reply(220, ("go",))
    assert parser.discard() == b"250-injected\r\n250 "
    parser.feed(b"354 x\r\n")
    assert parser.take() == Reply(354, ("x",))


def test_what_was_sent_can_be_masked() -> None:
    assert Reply(535, ("bad czNjcjN0 of s3cr3t",)).without([b"s3cr3t", b"", b"czNjcjN0"]).text == (
        "bad <secret> of <secret>"
    )
