"""What people and JSON are told of what is left to do by hand."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...mta.port import Include


def remaining_row(
    includes: "Iterable[Include]", commands: Iterable[str], usage: Iterable[str] = ()
) -> dict[str, object]:
    """Return what JSON tells."""
    return {
        "include": [{"file": i.path, "lines": i.text, "where": i.where} for i in includes if i.text],
        "commands": list(commands),
        "usage": list(usage),
    }


def remaining_lines(
    includes: "Iterable[Include]",
    commands: Iterable[str],
    usage: Iterable[str] = (),
    then: str = "then run:",
) -> Iterator[str]:
    """Yield what a person is told: lines to add, and commands, each ready to be copied."""
    for include in includes:
        if not include.text:
            continue
        yield f"add to {include.path}{include.where and f', {include.where}'}:"
        yield from (f"  {line}" for line in include.text)
    for heading, lines in ((then, list(commands)), ("use it as:", list(usage))):
        if lines:
            yield heading
            yield from (f"  {line}" for line in lines)
