"""The command that makes a mail server read its new files, given with ``--reload``."""

import os
import shlex
from collections.abc import Sequence
from typing import Self

from ..config import Site
from ..errors import UnavailableError, UnsafePathError, UsageError
from ..files import disk, exists, remove, trusted_program, write
from ..lazy import dataclass
from ..model import Artifact
from ..pki.values import Issuer
from ..transaction import Transaction
from .pair import PreviousPair

TIME_LIMIT = 300.0
"""Seconds; other runs wait while it works."""

_PASSED_ON = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "TMPDIR"}
_PASSED_ON |= {"XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS", "DBUS_SYSTEM_BUS_ADDRESS"}
"""What a command sees of the environment; any other variable may be a secret (``env:NAME``)."""


@dataclass(frozen=True)
class Hook:
    """A command, run without a shell; its output goes to our standard error."""

    words: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Split the command as a POSIX shell would, without expanding anything.

        Raises:
            UsageError: it is no command.
            UnavailableError: there is no such program.
            UnsafePathError: root would run what another user can change.
        """
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            raise UsageError("--reload", f"can't be split into words: {error}") from None
        if not words or not words[0] or "\0" in text:
            example = "postfix reload"
            raise UsageError("--reload", f"takes a command, as in --reload '{example}'")
        if trusted_program(words[0]) is None:
            hint = "it is run without a shell; for shell syntax say --reload \"sh -c '...'\""
            raise UnavailableError(words[0], "can't be run: no such program", hint)
        return cls(words)

    def __str__(self) -> str:
        return shlex.join(self.words)

    def run(self) -> None:
        """Run the command to its end.

        Raises:
            UnavailableError: it can't be run, fails, or takes more than five minutes.
        """
        from subprocess import DEVNULL, TimeoutExpired

        from ..children import run

        disk().note("run", str(self))
        if disk().is_preview:
            return
        kept = {name: value for name, value in os.environ.items() if _is_passed_on(name)}
        try:
            program = trusted_program(self.words[0])
            done = run(
                self.words,
                executable=program,
                stdin=DEVNULL,
                stdout=2,
                env=kept,
                timeout=TIME_LIMIT,
            )
        except UnsafePathError as error:
            raise UnavailableError(str(self), f"can't be run: {error}", error.hint) from None
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
    if hook:
        leave_to_next(work)


def leave_to_next(work: Transaction) -> None:
    """Say on disk that the next run with such a command tells the mail server, as ``renew --due`` does."""
    if not work.is_preview and not exists(_mark(work.site)):
        write.write_all([Artifact(_mark(work.site), b"")])


def tell(work: Transaction, hook: Hook | None) -> None:
    """Run the hook; only when it has succeeded is nothing owed any more."""
    if hook:
        hook.run()
        settle(work)


def settle(work: Transaction) -> None:
    """Forget that the mail server had to be told."""
    forget = remove if work.is_preview else write.remove  # what came and went within a run is no change of it
    forget(_mark(work.site))


def was_not_told(site: Site) -> bool:
    """Tell whether a killed run with ``--reload`` changed something of which the mail server was not told."""
    return exists(_mark(site))


def _mark(site: Site) -> str:
    return f"{site.state}/reload-owed"


# Telling the mail server, and taking everything back when it can't be told.
#
# Until the command has succeeded the new certificates are pending in the inventory. A failure discards them.
# They are not revoked: their keys are the former ones or were deleted, and a command that fails every night
# would fill the CRL. By serial number they can be revoked all the same.


@dataclass(frozen=True)
class UncommittedRenewal:
    """A certificate that is in place, and what was there before."""

    host: str
    serial: str
    previous: PreviousPair


def reload_or_restore(
    work: Transaction, issuer: Issuer, hook: Hook, uncommitted: Sequence[UncommittedRenewal]
) -> None:
    """Run the hook; if it fails, bring the former pairs back and run it again."""
    try:
        hook.run()
    except UnavailableError as error:
        if not uncommitted:
            raise
        raise UnavailableError(
            str(hook), f"{error.reason}; {_restore(work, issuer, hook, uncommitted)}"
        ) from None


def _restore(work: Transaction, issuer: Issuer, hook: Hook, uncommitted: Sequence[UncommittedRenewal]) -> str:
    for item in uncommitted:
        item.previous.put_back()
    authority = work.row(issuer.certificate)
    with work.inventory.transaction():
        for item in uncommitted:
            work.inventory.discard(authority.id, item.serial, f"rolled back: {hook} failed")
            work.record("cert roll back", item.host, f"serial {item.serial}")
    hosts = ", ".join(item.host for item in uncommitted)
    again = "and it was run again with that" if _ran(hook) else "but run again with that it failed again"
    return f"the former pair of {hosts} is back in place, {again}"


def _ran(hook: Hook) -> bool:
    try:
        hook.run()
    except UnavailableError:
        return False
    return True
