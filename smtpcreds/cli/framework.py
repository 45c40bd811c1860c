"""Lazy groups, the root command, a run's options, and how everything ends in an exit status."""

import codecs
import os
import re
import signal
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast

import click

from .. import __version__
from ..errors import DeniedError, MissingInputError, SmtpcredsError, UnsafePathError, UsageError, shown

if TYPE_CHECKING:
    from ..ca.reload import Hook
    from ..config import Settings, Site
    from ..model import Change
    from ..transaction import Question, Transaction


# What a process has from whoever started it: standard streams and signals, made fit for every run.

_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


def prepare() -> None:
    """Give the process three open streams that can hold any name, and an orderly end on every signal."""
    _open_streams()
    codecs.register_error("octets", _octets)
    sys.stdout.reconfigure(errors="octets")  # type: ignore[union-attr]
    for number in _ENDINGS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _open_streams() -> None:
    """Open what the caller closed (``>&-``), or a database could become the descriptor of error messages.

    Standard input is then at its end, standard output refuses every write, errors are lost.
    """
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, flags), True)  # the lowest free one, which is this
    sys.stdin = sys.stdin or open(0)  # noqa: SIM115  # as long as the process
    sys.stdout = sys.stdout or open(1, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w")  # noqa: SIM115


def _octets(error: UnicodeError) -> tuple[bytes, int]:
    """Write names that are not UTF-8 as the octets they are, and escape what the locale can't show.

    Python itself does the first in the C locale only.
    """
    if not isinstance(error, UnicodeEncodeError):
        raise error
    part = error.object[error.start : error.end]
    return b"".join(map(_octet, part)), error.end


def _octet(character: str) -> bytes:
    if "\udc80" <= character <= "\udcff":
        return character.encode(errors="surrogateescape")
    return character.encode("ascii", "backslashreplace")


# From an exception to a line on standard error and an exit status: the only place that decides it.

USAGE = 64
BUG = 70
INTERRUPTED = 130


def exit_status(error: BaseException) -> int:
    """Print what the administrator should read and return the status of sysexits.h."""
    answer = next(answer for kind, answer in _ANSWERS if isinstance(error, kind))
    return answer(error)


def flushed(status: int) -> int:
    """Return the status of a run once its answer has left; the interpreter then has nothing to add."""
    try:
        sys.stdout.flush()
    except OSError as error:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, sys.stdout.fileno())
        return status or exit_status(error)
    return status


def say(text: str, hint: str | None) -> None:
    """Print ``smtpcreds: text`` and the hint to standard error, control characters escaped."""
    click.echo(f"smtpcreds: {shown(Session.latest.typed(text))}", err=True)
    if hint:
        click.echo(f"  hint: {shown(Session.latest.typed(hint))}", err=True)


def _usage(error: click.UsageError) -> int:
    path = error.ctx.command_path.partition(" ")[2] if error.ctx else ""
    message = _option(error) if isinstance(error, click.NoSuchOption) else error.format_message()
    message = message.rstrip(".").replace("\n", " ")
    prefix = f"{path}: " if path else ""
    say(prefix + message[:1].lower() + message[1:], f"smtpcreds {path}".strip() + " --help")
    return USAGE


def _option(error: click.NoSuchOption) -> str:
    from difflib import get_close_matches

    near = get_close_matches(error.option_name, error.possibilities or [], 1)
    return f"no such option {error.option_name!r}" + (f"; did you mean {near[0]}?" if near else "")


def _refused(error: SmtpcredsError) -> int:
    say(str(error), error.hint)
    return error.exit_status


def _system(error: OSError) -> int:
    from ..files.guard import explain

    return _refused(explain(error, str(error.filename or "standard output")))


def _help(error: click.exceptions.NoArgsIsHelpError) -> int:
    click.echo(error.ctx.get_help() if error.ctx else "", err=True)
    return USAGE


def _interrupted(_: BaseException) -> int:
    say("interrupted", None)
    return INTERRUPTED


def _exit(error: SystemExit) -> int:
    return error.code if isinstance(error.code, int) else 0


def _silenced(_: BaseException) -> int:
    return 0


def _bug(error: BaseException) -> int:
    import traceback

    traceback.print_exception(error)
    say("internal error: this is a bug; nothing you typed should cause it", None)
    return BUG


_ANSWERS: tuple[tuple[type[BaseException], Callable[[Any], int]], ...] = (
    (SmtpcredsError, _refused),
    (click.exceptions.NoArgsIsHelpError, _help),
    (click.UsageError, _usage),
    (click.exceptions.Exit, lambda error: error.exit_code),
    (click.Abort, _interrupted),
    (KeyboardInterrupt, _interrupted),
    (SystemExit, _exit),
    (BrokenPipeError, _silenced),
    (OSError, _system),
    (BaseException, _bug),
)


# What every command gets: the site it works on and the one printer.

T = TypeVar("T")
_BEYOND_ASCII = re.compile(r"[^\0-~]+")
_AT_ONCE = 1000
"""Lines in one write; line by line, 100,000 accounts would take seconds."""


@dataclass
class Session:
    """The global options of one run."""

    config: str | None = None
    root: str | None = None
    as_json: bool = False
    dry_run: bool = False
    quiet: bool = False
    verbose: bool = False
    warnings: list[str] = field(default_factory=list)
    would_change: bool = False
    """What a dry run found."""
    database: str | None = None
    """The ``--database`` of a verb of ``sasl``."""
    latest: ClassVar["Session"]
    """The one of this process, for errors that end it."""

    def __post_init__(self) -> None:
        Session.latest = self

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
        from .printed_commands import typed

        return typed(text, self.root, self.config, self.database) if "smtpcreds " in text else text

    def _typed_in(self, data: object) -> object:
        if isinstance(data, str):
            return self.typed(data)
        if isinstance(data, dict):
            return {key: self._typed_in(value) for key, value in data.items()}
        return [*map(self._typed_in, data)] if isinstance(data, list | tuple) else data

    def warn(self, text: str) -> None:
        """Print a line that matters to standard error, ``-q`` or not."""
        self.warnings.append(text)
        say(f"warning: {text}", None)

    def note(self, text: str) -> None:
        """Print what happens on the way to standard error, with ``-v``."""
        if self.verbose:
            say(text, None)

    def show(
        self,
        data: object | Callable[[], object],
        lines: Iterable[str],
        *,
        aside: bool = False,
        coloured: bool = False,
        verbatim: bool = False,
    ) -> None:
        """Print the answer: the lines, or with ``--json`` the data and the warnings.

        Long answers come as a function and a generator, so that only what is printed is made. ``aside``
        sends the lines to standard error, where a secret stands alone on standard output. What a terminal
        would obey is escaped, except in lines that are ``coloured`` for one. Commands of the program are
        completed so that they can be typed, except in what is ``verbatim``: the text of a file.
        """
        if self.as_json:
            made = data() if callable(data) else data
            made = made if verbatim else self._typed_in(made)
            click.echo(_json({**made, "warnings": self.warnings} if isinstance(made, dict) else made))
        elif not self.quiet:
            is_seen = (sys.stderr if aside else sys.stdout).isatty()
            rest = iter(lines if verbatim else map(self.typed, lines))
            rest = map(_harmless, rest) if is_seen and not coloured else rest
            while some := list(islice(rest, _AT_ONCE)):
                click.echo("\n".join(some), err=aside, color=True)  # True: take nothing out of names

    def show_changes(self, changes: "Iterable[Change]") -> None:
        """Print what would be done."""
        plan = list(dict.fromkeys(changes))
        rows = [
            {"action": s.action, "target": s.target, "mode": _octal(s.mode), "note": s.note} for s in plan
        ]
        lines = (f"would {s.action} {s.target}{_mode(s.mode)}{s.note and f'  ({s.note})'}" for s in plan)
        self.show({"dry_run": True, "plan": rows}, lines if plan else ["nothing to do"])

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
            passphrase: the question for that of the CA key; None answers that there is none.
            state: see :func:`smtpcreds.transaction.transaction`.
            look_first: preview it in any case, so that refusals come before the first change.
            yes: nobody is asked to confirm what the verb is about to do; False asks, on a terminal.
        """
        from ..transaction import no_passphrase, transaction

        question = passphrase or no_passphrase
        confirmation = None if yes or not sys.stdin.isatty() else Confirmation
        if self.dry_run:
            with transaction(site, preview=True, state=state, passphrase=question) as work:
                verb(work)
            self.show_changes(work.changes)
            self.would_change = bool(work.changes)
            return None
        asked: dict[str, Any] = {"state": state, "passphrase": question, "confirmation": confirmation}
        answers = self._answers(site, verb, asked) if look_first or sys.stdin.isatty() else {}
        with transaction(site, answers=answers, **asked) as work:
            done = verb(work)
        for change in work.changes if self.verbose else ():
            self.note(f"{change.action} {change.target}{_mode(change.mode)}")
        return done

    def _answers(
        self, site: "Site", verb: "Callable[[Transaction], T]", options: dict[str, Any]
    ) -> "dict[Question, Any]":
        """Return the answers to what the verb asks, which a preview of it finds out."""
        from dataclasses import replace

        from ..files.disk import LEFT_OVER
        from ..files.write import remove_abandoned
        from ..transaction import transaction

        quiet = replace(site, warn=lambda _: None)
        with transaction(quiet, preview=True, **options) as work:
            try:
                verb(work)
            except SmtpcredsError:  # the run itself, which would have begun with that, does not begin
                stale = (change.target for change in work.changes if change.note == LEFT_OVER)
                remove_abandoned(stale)
                raise
        return {asked: asked() for asked in work.questions}

    @contextmanager
    def progress(self, length: int) -> Iterator[Callable[[], None]]:
        """Give a function to call after each of ``length`` pieces; many of them show a bar on a terminal."""
        if length < 20 or self.quiet or self.dry_run or not sys.stderr.isatty():
            yield lambda: None
            return
        with click.progressbar(length=length, file=sys.stderr, update_min_steps=max(1, length // 200)) as bar:
            yield lambda: bar.update(1)

    def fail(self, errors: Iterable[SmtpcredsError]) -> None:
        """Print errors that did not stop the run, and end it with the status of the first."""
        failed = list(errors)
        for error in failed:
            say(str(error), error.hint)
        if failed:
            raise click.exceptions.Exit(failed[0].exit_status)

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
                "umask 077 before the redirection",
            )

    def reveal(self, content: bytes) -> None:
        """Write a secret to standard output; see :meth:`refuse_reveal`."""
        self.refuse_reveal()
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
        from ..files import read_public

        try:
            text = read_public(path)
        except MissingInputError:
            if self.config:
                raise
            return Settings()
        return parse_settings(text.decode(errors="replace"), path)


@dataclass(frozen=True, slots=True)
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
            raise DeniedError(self.what, "was not confirmed; nothing was changed", "--yes asks nothing")


yes_option = click.option("--yes", is_flag=True, help="Ask nothing on a terminal.")


def _octal(mode: int | None) -> str | None:
    return None if mode is None else f"{mode:04o}"


def _mode(mode: int | None) -> str:
    return "" if mode is None else f"  {mode:04o}"


def _harmless(text: str) -> str:
    """Escape what a terminal would obey, but no line feed: an answer such as PEM may come as one text."""
    return "\n".join(map(shown, text.split("\n")))


def _json(document: object) -> str:
    """Return JSON without octets that are not UTF-8, and without what a terminal would obey."""
    import json

    is_unicode = sys.stdout.encoding.lower().startswith("utf")
    text = json.dumps(document, indent=2, ensure_ascii=not is_unicode, default=_plain)
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
pass_session = click.make_pass_decorator(Session, ensure=True)


# Groups that import a command when it is named, and verbs that take the global options anywhere.


class LazyGroup(click.Group):
    """A group whose help needs no import of its commands.

    Args:
        table: command name to (module below this package, attribute, one line of help).
    """

    def __init__(self, *args: Any, table: Mapping[str, tuple[str, str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module."""
        if cmd_name not in self.table:
            return None
        module, attribute, _ = self.table[cmd_name]
        return cast("click.Command", getattr(import_module(f".{module}", __package__), attribute))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is answered with the nearest."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            ctx.fail(_unknown(args[0], list(self.table)))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self.table.items()])


def _unknown(name: str, known: list[str]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    return f"no command {name!r}; " + (f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}")


def global_options(*, hidden: bool) -> list[click.Parameter]:
    """Return the options that the root and every verb take; ``hidden`` keeps them out of a verb's help."""
    flags: dict[str, Any] = {"is_flag": True, "expose_value": False, "hidden": hidden, "callback": _remember}
    words: dict[str, Any] = {"type": Words(), "expose_value": False, "hidden": hidden, "callback": _remember}
    return [
        click.Option(
            ["-c", "--config"], metavar="FILE", help="Read FILE, not /etc/smtpcreds/smtpcreds.toml.", **words
        ),
        click.Option(["--root"], metavar="DIR", help="Let DIR stand for / in every default path.", **words),
        click.Option(["--json", "as_json"], help="Print the answer as JSON.", **flags),
        click.Option(["-n", "--dry-run"], help="Print what a run would change; change nothing.", **flags),
        click.Option(["-q", "--quiet"], help="Print warnings and errors only.", **flags),
        click.Option(["-v", "--verbose"], help="Tell on standard error what happens.", **flags),
    ]


class Words(click.types.StringParamType):
    """Text that is not empty: ``--to "$UNSET"`` must not mean the default."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the text, if there is any."""
        text = super().convert(value, param, ctx)
        return str(text) if text else self.fail("is empty", param, ctx)


class Verb(click.Command):
    """A command that takes the global options behind its own name too, and no option with an empty value."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        taken = {name for parameter in self.params for name in parameter.opts}
        self.params += [p for p in global_options(hidden=True) if not taken & set(p.opts)]
        for option in self.params:
            if isinstance(option, click.Option) and option.type is click.STRING and not option.is_flag:
                option.type = Words()

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; what is printed for typing names the database that it was given."""
        ctx.ensure_object(Session).database = ctx.params.get("database")
        return super().invoke(ctx)


def _remember(ctx: click.Context, parameter: click.Parameter, value: object) -> object:
    if value:
        setattr(ctx.ensure_object(Session), parameter.name or "", value)
    return value


def noun(name: str, text: str, table: Mapping[str, tuple[str, str, str]]) -> LazyGroup:
    """Return a group of verbs; ``table`` as for :class:`LazyGroup`."""
    return LazyGroup(name, help=text, table=table, no_args_is_help=True)


# The root command and the table of everything below it.

COMMANDS = {
    "setup": ("setup", "setup", "Make a hub ready, or a client host from a bundle."),
    "bundle": ("bundle", "bundle", "Put all that a client host needs into one archive."),
    "status": ("status", "status", "How everything stands: days left, what is half-way or due."),
    "ca": ("ca", "ca", "The certificate authority."),
    "cert": ("cert", "cert", "Certificates of hosts."),
    "sasl": ("sasl", "sasl", "Relay accounts."),
    "mta": ("mta", "mta", "The files of mail programs."),
    "tlsa": ("tlsa", "tlsa", "TLSA records (DANE), and new keys for them."),
    "audit": ("audit", "audit", "Find what exposes a credential or keeps it from working."),
    "probe": ("probe", "probe", "Try a mail server over a real connection."),
    "inventory": ("inventory", "inventory", "The record of certificates and deeds."),
}

EPILOG = """\b
Start with:
  smtpcreds setup dmzmail.example.org     everything a hub needs, in one go
  smtpcreds --root ./try setup dmzmail.example.org    the same, without touching this host
Manual: man smtpcreds
"""


class Root(LazyGroup):
    """The program itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += global_options(hidden=False)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that has gone away ends it without a word.

        click would end the program with status 1, which is an answer of ours.
        """
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise click.exceptions.Exit(0) from None


@click.command(
    cls=Root, table=COMMANDS, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, message="smtpcreds %(version)s")
@click.pass_context
def smtpcreds(ctx: click.Context) -> None:
    """Certificates and SMTP AUTH accounts for mail relays."""
    ctx.ensure_object(Session)


# Spans of time as people type them.

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_FORM = re.compile(r"([0-9]{1,6})([a-z])")


def parse_duration(text: str) -> timedelta:
    """Return the span of ``12h``, ``30d`` or ``4w``."""
    found = _FORM.fullmatch(text.strip().lower())
    if found is None or found[2] not in _UNITS:
        shown = text if text.isprintable() and text else ascii(text)
        raise UsageError(shown, "is no span of time", "write hours, days or weeks: 12h, 30d, 4w")
    return int(found[1]) * _UNITS[found[2]]


# ``--reload``, of the verbs after which a mail server has to read its files again.

reload_option = click.option(
    "--reload",
    metavar="COMMAND",
    help="Run COMMAND, without a shell, when everything is in place and anything changed.",
)

RELOAD = "next: let the mail server read it; Sendmail does on SIGHUP: systemctl reload sendmail"


def reload_hook(command: str | None) -> "Hook | None":
    """Parse the command, before anything is done."""
    from ..ca.reload import Hook

    return Hook.parse(command) if command else None


# Roles of a certificate.

PROFILES = {
    (False, False): "relay",
    (True, False): "server",
    (False, True): "client",
    (True, True): "relay",
}
"""By ``--server`` and ``--client``; both roles together are the relay's."""
