"""The root of the commands, what many verbs share, and how everything ends in an exit status."""

import codecs
import os
import signal
import sys
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from errno import ENOENT
from typing import TYPE_CHECKING, Any

from ..errors import MissingInputError, SmtpcredsError, UnavailableError, UsageError
from ..lazy import pattern
from . import lazy_click as click
from .session import complain, refused, remember

if TYPE_CHECKING:
    from ..ca.reload import Hook
    from ..config import Site


# What a process has from whoever started it: standard streams and signals, made fit for every run.

_PR_SET_DUMPABLE = 4
"""From linux/prctl.h."""
_OTHERS = 0o077
_ENDINGS = (signal.SIGTERM, signal.SIGHUP)


def prepare() -> None:
    """Give it three open streams that can hold any name, close its memory, and an orderly end on signals."""
    _open_streams()  # before ctypes: libffi keeps a file open, by the lowest number that is free (3.5)
    _close_memory()
    os.umask(os.umask(_OTHERS) & _OTHERS)  # one that takes rights from the owner would lock us out
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


def _system(error: OSError) -> int:
    from ..files.guard import explain

    if error.errno == ENOENT and not error.filename:  # of getcwd(2)
        return refused(MissingInputError("the working directory", "is not there any more", "cd /"))
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
    (KeyboardInterrupt, _interrupted),
    (EOFError, _interrupted),
    (SystemExit, _exit),
    (BrokenPipeError, _silenced),
    (OSError, _system),
    (ImportError, _unloaded),
    (BaseException, _bug),
)


# The root command, the table of everything below it, and the options that every verb takes.

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

ROOT = click.Group("smtpcreds", "", COMMANDS)


def _of_session(*names: str, **settings: Any) -> click.Parameter:
    return click.Parameter(names, {**settings, "expose_value": False, "callback": remember}, is_option=True)


EVERYWHERE = (
    _of_session("-c", "--config", metavar="FILE", help="Read FILE, not /etc/smtpcreds/smtpcreds.toml."),
    _of_session("--root", metavar="DIR", help="Use DIR instead of / in every default path."),
    _of_session("--json", "as_json", is_flag=True, help="Print the answer as JSON."),
    _of_session(
        "--json-schema", is_flag=True, is_eager=True, help="Print the JSON Schema of a verb's answer."
    ),
    _of_session("-n", "--dry-run", is_flag=True, help="Print what a run would change; change nothing."),
    _of_session("-q", "--quiet", is_flag=True, help="Print warnings and errors only."),
    _of_session("-v", "--verbose", is_flag=True, help="Print each change on standard error."),
)
"""Before the first noun and behind the verb."""


def noun(name: str, text: str, table: Mapping[str, tuple[str, str, str]], usual: str = "") -> click.Group:
    """Return a group of verbs; the arguments are those of :class:`.lazy_click.Group`."""
    return click.Group(name, text, table, usual)


# Spans of time as people type them.

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_FORM = pattern(r"0*([0-9]{1,5})([a-z])")


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


def reload_line(site: "Site") -> str:
    """Return what is left to do where no such command was given."""
    from .next_step import to_reload

    return f"next: let the mail server read it{to_reload(site)}"


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
