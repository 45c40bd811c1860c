"""What would change in the files of a mail program, line by line, without their secrets."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import unified_diff

from ..mta.port import Content, is_secret, masked
from ..mta.port import octets as with_secrets
from .standing import Standing, Status, wanted_text

HIDDEN = "<not shown>"
"""Stands for a line that is not ours in a file with secrets: it may hold one, wherever that stands."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One file and how it would change; ``lines`` as of ``diff -u``, without line ends."""

    path: str
    status: Status
    lines: tuple[str, ...]


def differences(standings: list[Standing]) -> list[Difference]:
    """Return what differs, in mode or owner too."""
    return [Difference(s.path, s.status, tuple(_lines(s))) for s in standings if s.is_due]


def _lines(standing: Standing) -> Iterator[str]:
    content = wanted_text(standing.rendered)
    yield from unified_diff(
        _shown(standing.found or b"", content) if standing.status is not Status.MISSING else [],
        _decoded(masked(content)),
        "/dev/null" if standing.status is Status.MISSING else standing.path,
        f"{standing.path} ({standing.rendered.mode:04o} {standing.rendered.user}:{standing.rendered.group})",
        lineterm="",
    )
    yield from (f"{standing.path}: {fault}" for fault in standing.excess)


def _shown(found: bytes, wanted: Content) -> list[str]:
    if not is_secret(wanted):
        return _decoded(found)
    pairs = zip(_split(with_secrets(wanted)), _decoded(masked(wanted)), strict=True)
    ours = dict(pairs)
    return [ours.get(line, HIDDEN) for line in _split(found)]


def _split(content: bytes) -> list[bytes]:
    """Split at line feeds only: a secret may hold other characters that end a line of text."""
    return content.removesuffix(b"\n").split(b"\n") if content else []


def _decoded(content: bytes) -> list[str]:
    return [line.decode(errors="backslashreplace") for line in _split(content)]
