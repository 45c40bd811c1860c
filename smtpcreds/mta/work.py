"""What is left to do once the files of a mail program are in place.

Paths are those of the host that the files are for.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Include:
    """Lines that the administrator adds to a file of their own, once; it is never edited for them.

    Attributes:
        path: that file.
        lines: exactly.
        where: in words, or empty where any place will do.
        above: beginnings of the lines that they must stand above; empty for any place.
        fence: comment lines before and behind them, so that lines which are no longer wanted can be told from
            the administrator's own; or empty.
        lacking: finds which of the lines have no effect in a text, for a file whose own rules decide that;
            None for one in which it is enough that they stand there.
    """

    path: str
    lines: tuple[str, ...]
    where: str = ""
    above: tuple[str, ...] = ()
    fence: tuple[str, ...] = ()
    lacking: Callable[[str], tuple[str, ...]] | None = None

    @property
    def text(self) -> tuple[str, ...]:
        """The lines with their fence."""
        return (*self.fence[:1], *self.lines, *self.fence[1:]) if self.lines else ()


@dataclass(frozen=True, slots=True)
class Compiled:
    """A file that a command makes from others.

    Attributes:
        path: the result.
        sources: must not be newer.
        faults: finds what the result lacks or has too much, one phrase each.
    """

    path: str
    sources: tuple[str, ...]
    faults: Callable[[str], Iterable[str]] = lambda _: ()


@dataclass(frozen=True, slots=True)
class Premise:
    """What must be so in a file that we neither write nor add to.

    Attributes:
        path: that file.
        faults: finds what is not so, each with the way out.
    """

    path: str
    faults: Callable[[str], Iterable[tuple[str, str]]]


@dataclass(frozen=True, slots=True)
class Reader:
    """A file that belongs to others, and the user without privileges that the program reads it as."""

    path: str
    user: str


@dataclass(frozen=True, slots=True)
class Copy:
    """The account database once more, where a program can reach it; changes of accounts change it too.

    User and group are names, as of a :class:`File`.
    """

    path: str
    mode: int = 0o600
    user: str = "root"
    group: str = "root"


@dataclass(frozen=True, slots=True)
class Work:
    """What is left to do once the files are in place.

    Attributes:
        includes: what the administrator adds by hand.
        compiled: what the commands make.
        commands: lines for a POSIX shell, run by root in this order.
        premises: what has to be so besides.
        copies: of the account database.
        readers: files of others that the program must be able to read.
        usage: of a program that people call with our file: command lines, words to be replaced in capitals.
        untraced: whether no file tells that the commands were run, so that ``--run`` always runs them.
    """

    includes: tuple[Include, ...] = ()
    compiled: tuple[Compiled, ...] = ()
    commands: tuple[str, ...] = ()
    premises: tuple[Premise, ...] = ()
    copies: tuple[Copy, ...] = ()
    readers: tuple[Reader, ...] = ()
    usage: tuple[str, ...] = ()
    untraced: bool = False
