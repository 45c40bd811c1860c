"""Lazy groups, the root command, a run's options, and how everything ends in an exit status."""

import codecs
import os
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

import click

from .. import __version__
from ..errors import SmtpcredsError, UnavailableError, UsageError
from ..lazy import pattern
from .session import Session, complain, refused

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from ..ca.reload import Hook


# What a process has from whoever started it: standard streams and signals, made fit for every run.

_PR_SET_DUMPABLE = 4
"""From linux/prctl.h."""
_OTHERS = 0o077
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


def prepare() -> None:
    """Close its memory, give it three open streams that can hold any name, and an orderly end on signals."""
    _close_memory()
    os.umask(os.umask(_OTHERS) & _OTHERS)  # one that takes rights from the owner would lock us out
    _open_streams()
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' words to programmers, of certificates of others
    codecs.register_error("octets", _octets)
    sys.stdout.reconfigure(errors="octets")  # type: ignore[union-attr]
    for number in _ENDINGS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.default_int_handler)


def _close_memory() -> None:
    """Let no core dump hold a secret, and no other process of this user look into this one's memory.

    A limit of 0 does not keep a program that the kernel pipes cores to (core(5)) from getting one, so the
    process is made undumpable, too. The hard limit stays, for a daemon that ``--reload`` starts.
    """
    import ctypes
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
    with suppress(OSError, AttributeError):  # another kernel than Linux
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


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
DANGEROUS = {
    *("--abandon", "--allow-login-name", "--allow-login-names", "--allow-odd-names", "--allow-weak"),
    *(
        "--at-once",
        "--clear",
        "--clock-was-ahead",
        "--defaults",
        "--drop-san",
        "--edit",
        "--fix",
        "--force",
        "--key",
    ),
    *("--insecure-send-password", "--new-key", "--new-root", "--no-name-constraints", "--no-passphrase"),
    *("--no-tls", "--plaintext", "--relay-certificates", "--remove", "--retire", "--retire-old", "--reveal"),
    *("--root-key", "--run", "--skip-bad", "--unknown", "--with-accounts", "--with-key", "--yes"),
}
"""Options that nobody is led to by a guess: they replace, reveal, weaken or end something."""
_ALIKE = 0.75


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


def _usage(error: click.UsageError) -> int:
    path = error.ctx.command_path.partition(" ")[2] if error.ctx else ""
    message = _option(error) if isinstance(error, click.NoSuchOption) else error.format_message()
    message = message.rstrip(".").replace("\n", " ")
    hint = f"smtpcreds {path}".strip() + " --help"
    complain("usage", USAGE, path, message[:1].lower() + message[1:], hint)
    return USAGE


def _option(error: click.NoSuchOption) -> str:
    from difflib import get_close_matches

    harmless = [name for name in error.possibilities or [] if name not in DANGEROUS]
    near = get_close_matches(error.option_name, harmless, 1, _ALIKE)
    return f"no such option {error.option_name!r}" + (f"; did you mean {near[0]}?" if near else "")


def _system(error: OSError) -> int:
    from ..files.guard import explain

    return refused(explain(error, str(error.filename or "standard output")))


def _interrupted(_: BaseException) -> int:
    complain("interrupted", INTERRUPTED, "", "interrupted", None)
    return INTERRUPTED


def _exit(error: SystemExit) -> int:
    return error.code if isinstance(error.code, int) else 0


def _silenced(_: BaseException) -> int:
    return 0


def _unloaded(error: ImportError) -> int:
    """An extension module that the system can't load: no descriptors, no memory, a disk that fails."""
    if "shared object" not in str(error):
        return _bug(error)
    return refused(UnavailableError("smtpcreds", f"can't load a library that it needs: {error}"))


def _bug(error: BaseException) -> int:
    import traceback

    traceback.print_exception(error)
    complain("bug", BUG, "internal error", "this is a bug; nothing you typed should cause it", None)
    return BUG


_ANSWERS: tuple[tuple[type[BaseException], Callable[[Any], int]], ...] = (
    (SmtpcredsError, refused),
    (click.UsageError, _usage),
    (click.exceptions.Exit, lambda error: error.exit_code),
    (click.Abort, _interrupted),
    (KeyboardInterrupt, _interrupted),
    (SystemExit, _exit),
    (BrokenPipeError, _silenced),
    (OSError, _system),
    (ImportError, _unloaded),
    (BaseException, _bug),
)


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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return the options, or the names of the table, none of which is imported for that."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        from click.shell_completion import CompletionItem

        known = self.table.items()
        return [CompletionItem(name, help=row[2]) for name, row in known if name.startswith(incomplete)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Answer a call without a command with the help, as an error; to click 8.1 it is a success."""
        if not args and not ctx.resilient_parsing:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(USAGE)
        return super().parse_args(ctx, args)

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
        click.Option(["--root"], metavar="DIR", help="Use DIR instead of / in every default path.", **words),
        click.Option(["--json", "as_json"], help="Print the answer as JSON.", **flags),
        click.Option(["--json-schema"], help="Print the JSON Schema of a verb's answer.", **flags),
        click.Option(["-n", "--dry-run"], help="Print what a run would change; change nothing.", **flags),
        click.Option(["-q", "--quiet"], help="Print warnings and errors only.", **flags),
        click.Option(["-v", "--verbose"], help="Print each change on standard error.", **flags),
    ]


class Text(click.types.StringParamType):
    """Text that a shell completes by what the parameter is for."""

    name = "text"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> "list[CompletionItem]":
        """Return what could be meant."""
        from .completion import values

        return values(ctx, param, incomplete)


class Words(Text):
    """Text that is not empty: ``--to "$UNSET"`` must not mean the default."""

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
        for parameter in self.params:
            if isinstance(parameter, click.Argument) and parameter.type is click.STRING:
                parameter.type = Text()
            elif parameter.type is click.STRING and not getattr(parameter, "is_flag", False):
                parameter.type = Words()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the arguments; ``--json-schema`` needs none of them."""
        options = args[: args.index("--")] if "--" in args else args
        if ctx.ensure_object(Session).json_schema or "--json-schema" in options:
            click.echo(_schema(ctx))
            ctx.exit()
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; what is printed for typing names the database that it was given."""
        ctx.ensure_object(Session).database = ctx.params.get("database")
        return super().invoke(ctx)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> "list[CompletionItem]":
        """Return its options, and the global ones that its help leaves out."""
        from click.shell_completion import CompletionItem

        hidden = (option for option in self.params if isinstance(option, click.Option) and option.hidden)
        found = [CompletionItem(name, help=option.help) for option in hidden for name in option.opts]
        here = [item for item in found if incomplete and item.value.startswith(incomplete)]
        return [*super().shell_complete(ctx, incomplete), *here]


def _schema(ctx: click.Context) -> str:
    import json

    from .answers import schema_of
    from .session import SCHEMA

    names = [str(each.info_name) for each in _with_parents(ctx)]
    return json.dumps(schema_of(" ".join(names[1:]), SCHEMA), indent=2)


def _with_parents(ctx: click.Context) -> list[click.Context]:
    return [*(_with_parents(ctx.parent) if ctx.parent else []), ctx]


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
    "status": ("status", "status", "Overview: days left, what is in progress or due."),
    "ca": ("ca", "ca", "The certificate authority."),
    "cert": ("cert", "cert", "Certificates of hosts."),
    "sasl": ("sasl", "sasl", "Relay accounts."),
    "mta": ("mta", "mta", "The files of mail programs."),
    "tlsa": ("tlsa", "tlsa", "TLSA records (DANE), and new keys for them."),
    "audit": ("audit", "audit", "Find what exposes a credential or stops it from working."),
    "probe": ("probe", "probe", "Try a mail server over a real connection."),
    "inventory": ("inventory", "inventory", "History of certificates and actions."),
}

EPILOG = """\b
Start with:
  smtpcreds setup dmzmail.example.org     everything a hub needs, in one go
The same, without touching this host:
  smtpcreds --root ./try setup dmzmail.example.org
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
_FORM = pattern(r"([0-9]{1,6})([a-z])")


def parse_duration(text: str) -> timedelta:
    """Return the span of ``12h``, ``30d`` or ``4w``."""
    found = _FORM.fullmatch(text.strip().lower())
    if found is None or found[2] not in _UNITS:
        shown = text if text.isprintable() and text else ascii(text)
        raise UsageError(shown, "is not a duration", "write hours, days or weeks: 12h, 30d, 4w")
    return int(found[1]) * _UNITS[found[2]]


yes_option = click.option("--yes", is_flag=True, help="Ask nothing on a terminal.")

# ``--reload``, of the verbs after which a mail server has to read its files again.

reload_option = click.option(
    "--reload",
    metavar="COMMAND",
    help="Run COMMAND, without a shell, when everything is in place and anything changed.",
)

RELOAD = "next: let the mail server read it: systemctl try-reload-or-restart sendmail"


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
