"""The blocks of README.md: what stands in each, and which test types it."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from place import TOP

NOTHING: Mapping[str, object] = {}


@dataclass(frozen=True)
class Block:
    """Indented lines.

    Attributes:
        section: the heading above it; empty on the first screen.
        lines: without the indentation.
        covered: the tests that stand for it; empty if it is typed.
    """

    section: str
    lines: tuple[str, ...]
    covered: str

    @property
    def typed(self) -> list[str]:
        """The lines without their comments."""
        return [re.sub(r"\s+# .*", "", line) for line in self.lines if line]

    def commands(self) -> Iterator[tuple[str, str | None]]:
        """Yield what is typed, and what it prints; None where that is not shown."""
        if not any(line.startswith("$ ") for line in self.lines):
            yield from ((line, None) for line in self.lines if line)
            return
        for part in re.split(r"^\$ ", "\n".join(self.lines), flags=re.MULTILINE)[1:]:
            command, _, printed = part.partition("\n")
            yield command, printed.strip("\n")


def blocks(text: str) -> Iterator[Block]:
    section, covered, lines = "", "", list[str]()
    for line in [*text.splitlines(), "## "]:
        if line.startswith("    ") or (lines and not line):
            lines.append(line[4:])
            continue
        if lines:
            yield Block(section, tuple("\n".join(lines).rstrip().splitlines()), covered)
            covered, lines = "", []
        if heading := re.match(r"## (.*)", line):
            section = heading[1]
        elif mark := re.fullmatch(r"<!-- (tests/.+) -->", line):
            covered = mark[1]


BLOCKS = [*blocks((TOP / "README.md").read_text())]


def readme_lines(test: str, meant: Mapping[str, object] = NOTHING) -> list[str]:
    """Return what a test has to type that a block is marked with, as it stands there.

    Args:
        test: its name, by which the comment above the block ends, or one of those there.
        meant: what is typed in place of a word; each of these words has to be there.
    """
    (block,) = (one for one in BLOCKS if test in [mark.partition("::")[2] for mark in one.covered.split()])
    text = "\n".join(block.typed)
    for word, other in meant.items():
        assert word in text, f"{word} is not in the block of {test}"
        text = text.replace(word, str(other))
    return text.splitlines()


def readme_words(test: str, meant: Mapping[str, object] = NOTHING) -> list[list[str]]:
    """Return the arguments of each line, all of which begin with the program's name."""
    lines = [shlex.split(line) for line in readme_lines(test, meant)]
    assert {line[0] for line in lines} == {"smtpcreds"}
    return [line[1:] for line in lines]
