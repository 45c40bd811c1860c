"""The command that makes a mail server read its new files, given with ``--reload``."""

import os
import shlex
from dataclasses import dataclass
from typing import Self

from ..config import Site
from ..errors import UnavailableError, UsageError
from ..files import disk, exists, write
from ..model import Artifact
from ..transaction import Transaction

TIME_LIMIT = 300.0
"""Seconds; other runs wait while it works."""

_PASSED_ON = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR"}
_PASSED_ON |= {"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"}
"""What a command sees of the environment; any other variable may be a secret (``env:NAME``)."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A command, run without a shell; its output goes to our standard error."""

    words: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split the command as a POSIX shell would, without expanding anything.

        Raises:
            UsageError: no command, or an open quote.
            UnavailableError: there is no such program.
        """
        from shutil import which

        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            raise UsageError("--reload", f"can't be split into words: {error}") from None
        if not words or not words[0] or "\0" in text:
            raise UsageError("--reload", "takes a command, as in --reload 'systemctl reload sendmail'")
        if which(words[0]) is None:
            hint = "it is run without a shell; for shell syntax say --reload \"sh -c '...'\""
            raise UnavailableError(words[0], "is no program that can be run", hint)
        return cls(words)

    def __str__(self) -> str:
        return shlex.join(self.words)

    def run(self) -> None:
        """Run the command to its end.

        Raises:
            UnavailableError: it can't be run, fails, or takes more than five minutes.
        """
        from subprocess import DEVNULL, TimeoutExpired, run

        disk().note("run", str(self))
        if disk().is_preview:
            return
        kept = {name: value for name, value in os.environ.items() if _is_passed_on(name)}
        try:
            done = run(self.words, stdin=DEVNULL, stdout=2, env=kept, timeout=TIME_LIMIT, check=False)
        except OSError as error:
            raise UnavailableError(str(self), f"can't be run: {error.strerror}") from None
        except TimeoutExpired:
            raise UnavailableError(str(self), f"took over {TIME_LIMIT:.0f} s and was killed") from None
        if done.returncode:
            raise UnavailableError(str(self), _fate(done.returncode))


def _is_passed_on(name: str) -> bool:
    return name in _PASSED_ON or name.startswith("LC_")


def _fate(status: int) -> str:
    return f"failed with exit status {status}" if status > 0 else f"was killed by signal {-status}"


def is_owed(work: Transaction, hook: Hook | None) -> bool:
    """Tell whether a mail server still has to be told of what a killed run changed, and can be now."""
    return hook is not None and (exists(_mark(work.site)) or bool(work.recovered))


def owe(work: Transaction, hook: Hook | None) -> None:
    """Say on disk, before the first change, that the mail server will have to be told."""
    if hook and not work.is_preview and not exists(_mark(work.site)):
        write.write_all([Artifact(_mark(work.site), b"")])


def tell(work: Transaction, hook: Hook | None) -> None:
    """Run the hook; only when it has succeeded is nothing owed any more.

    Raises:
        UnavailableError: see :meth:`Hook.run`.
    """
    if hook:
        hook.run()
        settle(work)


def settle(work: Transaction) -> None:
    """Forget that the mail server had to be told."""
    if not work.is_preview:
        write.remove(_mark(work.site))


def was_not_told(site: Site) -> bool:
    """Tell whether a killed run with ``--reload`` changed something of which the mail server was not told."""
    return exists(_mark(site))


def _mark(site: Site) -> str:
    return f"{site.state}/reload-owed"
