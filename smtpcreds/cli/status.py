"""From an exception to a line on standard error and an exit status: the only place that decides it."""

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from ..errors import SmtpcredsError, shown

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
    click.echo(f"smtpcreds: {shown(text)}", err=True)
    if hint:
        click.echo(f"  hint: {shown(hint)}", err=True)


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
    from ..files.explain import explain

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
