"""What every command gets: the site it works on, the one driver and the one printer."""

import os
import re
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import field
from datetime import UTC, datetime
from functools import wraps
from itertools import chain, islice
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from ..errors import (
    DataError,
    DeniedError,
    MissingInputError,
    SmtpcredsError,
    UnsafePathError,
    UsageError,
    WrongPassphraseError,
    shown,
)
from ..lazy import dataclass, pattern
from ..progress import show_on
from . import lazy_click as click

if TYPE_CHECKING:
    from ..config import Settings, Site
    from ..model import Change
    from ..transaction import Question, Transaction


COMPLETE = "_SMTPCREDS_COMPLETE"
"""Variable by which a shell asks: ``bash``, ``zsh`` or ``fish``; ``bash_source`` asks for bash's own half."""
TRIES = 3
"""That a person at a terminal has for a passphrase."""
SCHEMA = 1
"""Of every JSON document that is printed; raised when a key changes its meaning or goes."""


def complain(kind: str, status: int, what: str, why: str, hint: str | None) -> None:
    """Print ``smtpcreds: what: why`` and the hint to standard error, or with ``--json`` one line of JSON.

    Args:
        kind: what programs tell errors by; see :func:`kind_of`.
        status: the exit status that it leads to.
        what: the file, host, account or command that it is about; may be empty.
        why: the reason.
        hint: the way out.
    """
    session = Session.latest
    why, hint = session.typed(why), hint and session.typed(hint)
    if session.as_json:
        error = {"kind": kind, "status": status, "what": what, "why": why, "hint": hint}
        _say_json("error", error)
        return
    subject = what.removesuffix(":") + ": " if what else ""
    _say(subject + why)
    if hint:
        click.echo(f"  hint: {shown(hint)}", err=True)


def refused(error: SmtpcredsError) -> int:
    """Print an error and return its exit status."""
    complain(kind_of(error), error.exit_status, error.subject, error.reason, error.hint)
    return error.exit_status


def kind_of(error: SmtpcredsError) -> str:
    """Return the name of an error's class as programs should know it: ``missing-input``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__.removesuffix("Error")).lower()


def _say(text: str) -> None:
    click.echo(f"smtpcreds: {shown(text)}", err=True)


def _say_json(key: str, value: object) -> None:
    import json

    click.echo(_plain_json(json.dumps({"schema": SCHEMA, key: value}, ensure_ascii=False)), err=True)


class Whole(str):
    """A line that is to be copied, such as a command: it is broken on no terminal."""

    __slots__ = ()


T = TypeVar("T")
_BEYOND_ASCII = pattern(r"[^\0-~]+")
_AT_ONCE = 1000
"""Lines in one write; line by line, 100,000 accounts would take seconds."""


@dataclass
class Session:
    """The global options of one run."""

    config: str | None = None
    root: str | None = None
    as_json: bool = False
    json_schema: bool = False
    dry_run: bool = False
    quiet: bool = False
    verbose: bool = False
    warnings: dict[str, None] = field(default_factory=dict)
    would_change: bool = False
    """What a dry run found."""
    would_write: frozenset[str] = frozenset()
    """Paths that a dry run would change."""
    database: str | None = None
    """The ``--database`` of a verb of ``sasl``."""
    allow_weak: bool = False
    """A new passphrase may be one that is soon guessed."""
    typed_by_person: set[str] = field(default_factory=set)
    """What a person was asked for that exists already: ``passphrase``, ``pin``."""
    to_apply: list[str] = field(default_factory=list)
    """Commands that bring what a run changed to the mail programs of this host."""
    has_bar: bool = False
    """A line of standard error shows how far the work is."""
    latest: ClassVar["Session"]
    """The one of this process, for errors that end it."""

    def __post_init__(self) -> None:
        Session.latest = self
        show_on(self.bar)

    def site(self) -> "Site":
        """Read the configuration and name the installation."""
        from ..config import DEFAULT_PATH, Site
        from ..files import PreviewDisk, choose
        from ..model import Root

        if self.dry_run:
            choose(PreviewDisk())
        root = Root(os.path.abspath(self.root) if self.root else "")
        path = self.config or root.path(DEFAULT_PATH)
        return Site(root, self._settings(path), lambda: datetime.now(UTC), self.warn, path)

    def typed(self, text: str) -> str:
        """Return a text with its commands as they have to be typed to mean the same installation."""
        if self._is_to_type(text):
            from .printed_commands import typed

            return typed(text, self.root, self.config, self.database)
        return text

    def _is_to_type(self, text: str) -> bool:
        """Tell whether commands may be in a text that are to be completed."""
        if "smtpcreds " in text:
            return True
        if not self.root:
            return False
        from .other_root import is_of_one_system

        return is_of_one_system(text)

    def _typed_in(self, data: object) -> object:
        if isinstance(data, str):
            return self.typed(data)
        if isinstance(data, dict):
            return {key: self._typed_in(value) for key, value in data.items()}
        return [*map(self._typed_in, data)] if isinstance(data, list | tuple) else data

    def warn(self, text: str) -> None:
        """Print a line that matters to standard error, ``-q`` or not."""
        if text not in self.warnings:
            self.warnings[text] = None
            self._tell("warning", text)

    def note(self, text: str) -> None:
        """Print what happens on the way to standard error, with ``-v``."""
        if self.verbose:
            self._tell("note", text)

    def _tell(self, kind: str, text: str) -> None:
        self._wipe_bar()
        if self.as_json:
            _say_json(kind, self.typed(text))
        else:
            _say(self.typed(text if kind == "note" else f"{kind}: {text}"))

    def show(
        self,
        data: object | Callable[[], object],
        lines: Iterable[str],
        *,
        aside: bool = False,
        coloured: bool = False,
        verbatim: bool = False,
        listed: bool = False,
        ends: str = "",
    ) -> None:
        """Print the answer: the lines, or with ``--json`` the data and the warnings.

        Long answers come as a function and a generator, so that only what is printed is made. ``aside``
        sends the lines to standard error, where a secret stands alone on standard output. What a terminal
        would obey is escaped, behind a pipe too, except colours in lines that are ``coloured``. Commands of
        the program are completed so that they can be typed, except in what is ``verbatim``: a file's text.
        Lines that are ``listed`` are broken between words where a terminal is too narrow for them; those that
        are :class:`Whole` are not.
        Where every line ends alike and nothing is left to do, ``ends`` is that end; it is plain text.
        What mail programs are still to be told ends every answer.
        """
        applies, self.to_apply = self.to_apply, []
        if self.as_json:
            made = data() if callable(data) else data
            made = made if verbatim else self._typed_in(made)
            if isinstance(made, dict):
                more = {"apply": [*map(self.typed, applies)]} if applies else {}
                made = {"schema": SCHEMA, **made, **more, "warnings": [*map(self.typed, self.warnings)]}
            click.echo(_json(made))
        elif not self.quiet:
            is_seen = (sys.stderr if aside else sys.stdout).isatty()
            escaped = _coloured if coloured else _harmless if is_seen else _without_controls
            completed = str if verbatim else self._line
            fitting = _fitting(_columns()) if listed and is_seen else None
            rest = chain(lines, (f"next: {command}" for command in applies))
            while some := list(islice(rest, _AT_ONCE)):
                block = "\n".join(some)
                if fitting or self._is_to_type(block) or not _is_plain(block, len(some)):
                    done = ((line, escaped(completed(line + ends))) for line in some)
                    some = [
                        fitting(shown) if fitting and not isinstance(line, Whole) else shown
                        for line, shown in done
                    ]
                    text = "\n".join((*some, ""))
                else:
                    text = f"{ends}\n".join((*some, ""))
                click.echo(text, nl=False, err=aside)

    def _line(self, text: str) -> str:
        """Return one line: the name of an account that another program made may hold a line feed."""
        return self.typed(text).replace("\n", "\\n")

    def introduce(self, lines: Iterable[str]) -> None:
        """Print what comes before the answer to standard error; not with ``-q`` or ``--json``."""
        if not (self.quiet or self.as_json):
            self.show({}, lines, aside=True, verbatim=True)

    def show_changes(self, changes: "Iterable[Change]") -> None:
        """Print what would be done."""
        plan = list(dict.fromkeys(changes))
        rows = [
            {"action": s.action, "target": s.target, "mode": _octal(s.mode), "note": s.note} for s in plan
        ]
        self.show({"dry_run": True, "plan": rows}, map(_would, plan) if plan else ["nothing to do"])

    def run(
        self,
        site: "Site",
        verb: "Callable[[Transaction], T]",
        passphrase: "Question | None" = None,
        *,
        state: bool = True,
        look_first: bool = False,
        yes: bool = True,
    ) -> T | None:
        """Run a verb and return its result; with ``--dry-run`` print what it would change and return None.

        Where a person may be asked for a secret, the verb is previewed first: refusals come before the
        question, and nobody is asked while others wait for the lock.

        Args:
            site: where.
            verb: the one function of the command.
            passphrase: the question for that of the CA key; None answers that there is none. Its attribute
                ``pin``, if it has one, is the question for the PIN of the token that holds the key.
            state: see :func:`smtpcreds.transaction.transaction`.
            look_first: preview it in any case, so that refusals come before the first change.
            yes: nobody is asked to confirm what the verb is about to do; False asks a person at a terminal,
                who has seen the changes.
        """
        from ..transaction import no_passphrase, transaction

        question = passphrase or no_passphrase
        confirmation = None if yes or not sys.stdin.isatty() else Confirmation
        asked: dict[str, Any] = {
            "state": state,
            "passphrase": question,
            "pin": getattr(question, "pin", None),
            "confirmation": confirmation,
        }
        if self.dry_run:
            with transaction(site, preview=True, **asked) as work:
                verb(work)
            self.show_changes(work.changes)
            self.would_change = bool(work.changes)
            self.would_write = frozenset(change.target for change in work.changes)
            return None
        looks = look_first or sys.stdin.isatty()

        def carry_out() -> T:
            answers = self._answers(site, verb, asked) if looks else {}
            with transaction(site, answers=answers, **asked) as work:
                done = verb(work)
                self.to_apply = _to_apply(work)
            for change in work.changes if self.verbose else ():
                self.note(f"{change.action} {change.target}{_mode(change.mode)}")
            return done

        return self.patiently(carry_out)

    def patiently(self, opens: Callable[[], T]) -> T:
        """Do what a passphrase opens; a person who has typed a wrong one may type another, twice."""
        for _ in range(TRIES - 1):
            self.typed_by_person.clear()
            try:
                return opens()
            except WrongPassphraseError as error:
                if error.again not in self.typed_by_person:
                    raise
                self._tell("note", f"{error}; try again")
        return opens()

    def _answers(
        self, site: "Site", verb: "Callable[[Transaction], T]", options: dict[str, Any]
    ) -> "dict[Question, Any]":
        """Return the answers to what the verb asks, which a preview of it finds out."""
        from dataclasses import replace

        from ..files.disk import LEFT_OVER
        from ..files.write import remove_abandoned
        from ..transaction import Transaction, looked_at, transaction

        quiet = replace(site, warn=lambda _: None)

        def look() -> Transaction:
            with transaction(quiet, preview=True, **options) as work:
                try:
                    verb(work)
                except SmtpcredsError:  # the run itself, which would have begun with that, does not begin
                    stale = (change.target for change in work.changes if change.note == LEFT_OVER)
                    remove_abandoned(stale)
                    raise
            return work

        work = looked_at(site, look)
        if any(isinstance(asked, Confirmation) for asked in work.questions):
            for change in dict.fromkeys(work.changes):
                click.echo(_harmless(_would(change)), err=True)
        return {asked: asked() for asked in work.questions}

    @contextmanager
    def bar(self, length: int) -> Iterator[Callable[[int], None]]:
        """Show on standard error how many steps are done, and wipe that out at the end.

        It does so on a terminal alone, and not for a dry run or what is previewed before a question.
        """
        from ..files import disk

        if self.quiet or self.as_json or disk().is_preview or not sys.stderr.isatty():
            yield lambda _: None
            return
        done = 0

        def step(more: int) -> None:
            nonlocal done
            before, done = done, done + more
            percent = 100 * done // length
            if not self.has_bar or percent > 100 * before // length:
                self.has_bar = True
                click.echo(f"\r[{'#' * (percent // 2):50}] {percent:3}%", err=True, nl=False)

        try:
            yield step
        finally:
            self._wipe_bar()

    def _wipe_bar(self) -> None:
        if self.has_bar:
            self.has_bar = False
            click.echo(f"\r{' ' * 57}\r", err=True, nl=False)

    def fail(self, errors: Iterable[SmtpcredsError]) -> None:
        """Print errors that did not stop the run, and end it with the status of the first."""
        failed = list(errors)
        for error in failed:
            refused(error)
        if failed:
            raise SystemExit(failed[0].exit_status)

    def refuse_reveal(self) -> None:
        """Refuse to print a secret as JSON or to a file that others can read."""
        from ..files.guard import ANY_FOREIGN_ACCESS

        if self.as_json:
            raise UsageError("--json", "a secret is not printed as JSON", "leave --json out")
        found = os.fstat(sys.stdout.fileno())
        if stat.S_ISREG(found.st_mode) and found.st_mode & ANY_FOREIGN_ACCESS:
            raise UnsafePathError(
                "standard output",
                f"is a file of mode {stat.S_IMODE(found.st_mode):04o}",
                "umask 077 before the redirection, to a file that is not there yet",
            )

    def reveal(self, content: bytes, deed: str = "", subject: str = "") -> None:
        """Write a secret to standard output; see :meth:`refuse_reveal`.

        Args:
            content: what is written.
            deed: told to syslog first, as ``sasl show --reveal``; empty where the verb records it itself.
            subject: whose secret it is.
        """
        self.refuse_reveal()
        if deed:
            from ..files import audit_to_syslog

            audit_to_syslog(self.warn, deed, [(subject, "to standard output")])
        rest = memoryview(b"" if self.dry_run else content)
        while rest:  # past Python's buffer, which would be tried again at exit if the device is full
            rest = rest[os.write(sys.stdout.fileno(), rest) :]

    def absolute(self, path: str) -> str:
        """Return a path that the user typed; it is not below ``--root``."""
        return os.path.abspath(path)

    def described(self, path: str) -> str:
        """Return ``path  mode owner:group`` as it is on disk; a URL as it is."""
        from ..postgres import is_url

        if is_url(path):
            return path
        from ..files.guard import owner

        found = os.stat(path)
        return f"{path}  {stat.S_IMODE(found.st_mode):04o} {owner(found)}"

    def _settings(self, path: str) -> "Settings":
        from ..config import Settings, parse_settings
        from ..files import read_trusted

        try:
            text = read_trusted(path)
        except MissingInputError:
            if self.config:
                raise
            return Settings()
        return parse_settings(text.decode(errors="replace"), path)


def _to_apply(work: "Transaction") -> list[str]:
    if work.known_inventory is None:
        return []
    from ..deploy.due import due_commands

    return due_commands(work)


@dataclass(frozen=True)
class Confirmation:
    """A question on the terminal; calling it raises DeniedError unless the answer is yes."""

    what: str

    def __call__(self) -> None:
        """Ask, unless this is a preview."""
        from ..files import disk
        from ..sources import TERMINAL

        if disk().is_preview:
            return
        with open(TERMINAL, "rb") as keyboard, open(TERMINAL, "wb", buffering=0) as screen:
            screen.write(f"{shown(self.what[:1].upper() + self.what[1:])}? [y/N] ".encode())
            answer = keyboard.readline()
        if answer.strip().lower() not in {b"y", b"yes"}:
            raise DeniedError(self.what, "was not confirmed; nothing was changed")


def _would(change: "Change") -> str:
    note = change.note and f"  ({change.note})"
    return f"would {change.action} {change.target}{_mode(change.mode)}{note}"


def _octal(mode: int | None) -> str | None:
    return None if mode is None else f"{mode:04o}"


def _mode(mode: int | None) -> str:
    return "" if mode is None else f"  {mode:04o}"


_PRINTABLE = bytes(range(0x20, 0x7F))


def _is_plain(text: str, lines: int) -> bool:
    """Tell whether there is nothing to escape in so many lines."""
    if text.isascii():
        return text.encode().translate(None, _PRINTABLE) == b"\n" * (lines - 1)
    return text.count("\n") == lines - 1 and text.replace("\n", "").isprintable()


def _without_controls(text: str) -> str:
    """Escape controls, also of direction and line; other octets than UTF-8 pass but those of C1 controls."""
    if text.isprintable():
        return text
    return "".join(c if _passes(c) else ascii(c)[1:-1] for c in text)


def _passes(character: str) -> bool:
    from unicodedata import category

    is_control = category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return not is_control or character in "\t\n" or "\udca0" <= character <= "\udcff"


def _harmless(text: str) -> str:
    """Escape what a terminal would obey, but no line feed: an answer such as PEM may come as one text."""
    return "\n".join(map(shown, text.split("\n")))


_COLOUR = pattern(r"(\x1b\[(?:[012]|3[1-3])m)")
"""Those of :class:`smtpcreds.status.text.Tone`."""


def _coloured(text: str) -> str:
    return "".join(part if _COLOUR.fullmatch(part) else _harmless(part) for part in _COLOUR.split(text))


def _columns() -> int:
    from shutil import get_terminal_size

    return get_terminal_size((80, 24)).columns


def _fitting(columns: int) -> Callable[[str], str]:
    """Return what breaks a line that is too long, but in no command: that is to be copied whole."""
    from textwrap import TextWrapper

    def fitting(line: str) -> str:
        if len(line) <= columns or "smtpcreds " in line or "\x1b" in line:
            return line
        further = " " * (len(line) - len(line.lstrip()) + 4)
        words = TextWrapper(
            columns,
            subsequent_indent=further,
            break_long_words=False,
            break_on_hyphens=False,
            replace_whitespace=False,
        )
        return words.fill(line)

    return fitting


def _json(document: object) -> str:
    """Return JSON without octets that are not UTF-8, and without what a terminal would obey."""
    import json

    is_unicode = sys.stdout.encoding.lower().startswith("utf")
    return _plain_json(json.dumps(document, indent=2, ensure_ascii=not is_unicode, default=_plain))


def _plain_json(text: str) -> str:
    return text if text.isascii() else _BEYOND_ASCII.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    import json

    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1]


def _plain(value: Any) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def rfc3339(moment: datetime) -> str:
    """Return the time in UTC as RFC 3339 with whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


Session()


def pass_session(function: Callable[..., None]) -> Callable[..., None]:
    """Give a verb the session of this run as its first argument."""

    @wraps(function)
    def with_session(**values: Any) -> None:
        function(Session.latest, **values)

    return with_session


def remember(context: Any, parameter: Any, value: object) -> object:
    """Keep what an option says in the session; called by click, with its context and its option."""
    if value:
        setattr(context.ensure_object(Session), parameter.name, value)
    return value


def standard_input(name: str, most: int) -> bytes:
    """Return what comes from standard input; ``read(most)`` takes all that memory before the first octet.

    Raises:
        DataError: it is longer.
    """
    data = bytearray()
    while len(data) <= most and (piece := os.read(sys.stdin.fileno(), _PIECE)):
        data += piece
    if len(data) > most:
        raise DataError(name, f"is over {most} octets")
    return bytes(data)


_PIECE = 1 << 20
