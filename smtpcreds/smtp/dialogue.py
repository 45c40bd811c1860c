"""Replies of a server, from octets to values (RFC 5321 section 4.2, RFC 1869), with limits. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from ..errors import ProtocolError

MAX_LINE = 2048
"""Octets with the line end; RFC 5321 section 4.5.3.1.5 has 512, a DIGEST-MD5 challenge may be longer."""
MAX_LINES = 100
SHOWN = 300
"""Characters of a reply that are quoted."""

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])(.*))?", re.DOTALL)
_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


class ReplyError(ProtocolError):
    """What came is no reply."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: its code, and the text of each line, printable whatever the server sent."""

    code: int
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as one, cut where a person has read enough."""
        whole = " ".join(line for line in self.lines if line)
        return whole if len(whole) <= SHOWN else f"{whole[:SHOWN]}..."

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()

    def without(self, words: Iterable[bytes]) -> "Reply":
        """Return the reply with these words masked, for a server may repeat what it was sent."""
        shown = [word.decode(errors="backslashreplace") for word in words if word]
        return replace(self, lines=tuple(_masked(line, shown) for line in self.lines))


def _masked(line: str, words: Iterable[str]) -> str:
    for word in words:
        line = line.replace(word, "<secret>")
    return line


@dataclass(slots=True)
class Replies:
    """Turns octets into replies, in whatever pieces they come.

    It holds one reply at most: more than :data:`MAX_LINES` lines of :data:`MAX_LINE` octets raise.
    """

    subject: str
    _buffer: bytearray = field(default_factory=bytearray)
    _code: int = 0
    _lines: list[str] = field(default_factory=list)

    def feed(self, octets: bytes) -> None:
        """Add what was received."""
        self._buffer += octets

    def take(self) -> Reply | None:
        """Return the next whole reply, or None where more octets are needed.

        A line may end in LF alone, as every client takes it.

        Raises:
            ReplyError: a line that is too long, too many of them, no code, or two codes in one reply.
        """
        while (end := self._buffer.find(b"\n", 0, MAX_LINE)) >= 0:
            line = bytes(self._buffer[:end]).removesuffix(b"\r")
            del self._buffer[: end + 1]
            if self._is_last(line):
                reply = Reply(self._code, tuple(self._lines))
                self._code, self._lines = 0, []
                return reply
        if len(self._buffer) >= MAX_LINE:
            raise ReplyError(self.subject, f"sent a line of over {MAX_LINE} octets")
        return None

    def discard(self) -> bytes:
        """Return and forget all that came and was not taken (RFC 3207 section 5)."""
        pending = bytes(self._buffer)
        self._buffer.clear()
        self._code, self._lines = 0, []
        return pending

    @property
    def is_inside(self) -> bool:
        """Tell whether a reply has begun."""
        return bool(self._buffer or self._lines)

    def _is_last(self, line: bytes) -> bool:
        found = _LINE.fullmatch(line)
        if found is None:
            raise ReplyError(self.subject, f"sent what is no reply: {printable(line[:60])!r}")
        code, mark, text = int(found[1]), found[2], found[3] or b""
        if self._lines and code != self._code:
            raise ReplyError(self.subject, f"sent a reply with two codes, {self._code} and {code}")
        if len(self._lines) >= MAX_LINES:
            raise ReplyError(self.subject, f"sent a reply of over {MAX_LINES} lines")
        self._code = code
        self._lines.append(printable(text))
        return mark != b"-"


def printable(octets: bytes) -> str:
    """Return octets as text in which nothing can move a terminal's cursor; UTF-8 stays readable."""
    text = octets.decode(errors="backslashreplace")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What EHLO offers: keyword in upper case to its parameters."""

    keywords: Mapping[str, tuple[str, ...]]

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.keywords

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """The SASL mechanisms, in the server's order, each once and in upper case."""
        return tuple(dict.fromkeys(name.upper() for name in self.keywords.get("AUTH", ())))


def capabilities(reply: Reply) -> Capabilities:
    """Read the reply to EHLO; lines that are no keyword are passed over."""
    found: dict[str, tuple[str, ...]] = {}
    for keyword, *parameters in filter(None, (line.split() for line in reply.lines[1:])):
        if _KEYWORD.fullmatch(keyword):
            found[keyword.upper()] = (*found.get(keyword.upper(), ()), *parameters)
    return Capabilities(found)
