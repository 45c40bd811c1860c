"""What a reader gives for each account of a file, before anything of it is checked."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..sasldb.records import USER_PASSWORD


class Row(NamedTuple):
    """One account as its file tells it; a tuple, since a file may hold a million of them.

    Attributes:
        where: what messages call the place, such as ``line 3``.
        name: ``user`` or ``user@realm``, with surrogates where it is not UTF-8.
        realm: empty where the file says nothing of it.
        properties: octets by the property's name; they are secrets.
    """

    where: str
    name: str
    realm: str
    properties: Mapping[str, bytes]

    def __repr__(self) -> str:
        return f"<{self.where}>"


class Fault(NamedTuple):
    """A place of a file that gives no account, or none that may be had; the reason shows no secret."""

    where: str
    reason: str


class Pairs(NamedTuple):
    """Names and clear passwords of rows that have nothing else and nothing odd.

    Attributes:
        places: what messages call the place of each.
        names: ``user`` or ``user@realm``, ASCII, a line each.
        secrets: printable ASCII, a line each.
    """

    places: Sequence[str]
    names: str
    secrets: str

    def __repr__(self) -> str:
        return f"<{len(self.places)} from {self.places[0]}>"

    def rows(self) -> Iterator[Row]:
        """Give each as a reader does that takes one after the other."""
        lines = zip(self.places, self.names.split("\n"), self.secrets.split("\n"), strict=False)
        return (Row(where, name, "", {USER_PASSWORD: secret.encode()}) for where, name, secret in lines)

    def halves(self) -> Iterator["Pairs"]:
        """Give the first half, and the other one."""
        names, secrets = (text.split("\n")[:-1] for text in (self.names, self.secrets))
        middle = len(names) // 2
        for half in (slice(middle), slice(middle, None)):
            texts = ("\n".join((*lines[half], "")) for lines in (names, secrets))
            yield Pairs(self.places[half], *texts)


class Lines(Sequence[str]):
    """Places of consecutive lines, of which most are never named."""

    def __init__(self, numbers: range) -> None:
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, at: Any) -> Any:
        found = self._numbers[at]
        return Lines(found) if isinstance(found, range) else f"line {found}"


Rows = Iterator[Row | Fault | Pairs]
Reader = Callable[[bytes], Rows]
"""From a whole file to its accounts, in order; never raises for what the file says."""


class Source(NamedTuple):
    """The accounts of a file, and what it was taken for.

    Attributes:
        form: the format in words, with the columns that are read.
        rows: the accounts; of ordinary ones many at a time.
        is_exact: the format marks names as names; in others, other text may stand in their place.
        is_table: secrets are cells, round which there may be marks and blanks of the file.
        lines: of a table, each of which is a row at most.
    """

    form: str
    rows: Rows
    is_exact: bool = False
    is_table: bool = False
    lines: int = 0


def text_of(content: bytes) -> str:
    """Return the file's text without a byte order mark; other octets than UTF-8 become surrogates."""
    return content.removeprefix(b"\xef\xbb\xbf").decode(errors="surrogateescape")


def octets(text: str) -> bytes:
    """Return the octets that :func:`text_of` read."""
    return text.encode(errors="surrogateescape")


def binary(text: str) -> bytes | None:
    """Return the octets of strict Base64 (RFC 4648 section 4); None for any other text."""
    from base64 import b64decode

    try:
        return b64decode(text, validate=True)
    except ValueError:
        return None


def numbered(content: bytes) -> Iterator[tuple[int, str]]:
    """Give each line that is not blank with its number."""
    for number, line in enumerate(text_of(content).split("\n"), 1):
        if line.strip():
            yield number, line.removesuffix("\r")
