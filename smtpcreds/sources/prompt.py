"""Secrets that a person types: ``prompt:``."""

import os
from dataclasses import dataclass
from typing import Self

from ..errors import DataError, MissingInputError, UnavailableError, UsageError
from ..secret import Secret
from .octets import one_secret
from .protocol import Context

TERMINAL = "/dev/tty"
_HINT = "without a terminal use file:, fd:, env:, cmd:, keyring: or credential:"


@dataclass(frozen=True, slots=True)
class Prompt:
    """The controlling terminal, with echo off; a new secret is asked for twice."""

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Parse ``prompt:``, which takes no argument.

        Raises:
            UsageError: it has one.
        """
        if argument:
            raise UsageError("prompt:", "takes nothing behind the colon")
        return cls()

    def read(self, context: Context) -> Secret:
        """Return what was typed; empty only where the context allows it.

        Raises:
            UnavailableError: no terminal.
            MissingInputError: nothing was typed, or the terminal was closed.
            DataError: the two entries differ, or as :func:`one_secret`.
        """
        typed = _asked(f"{_capital(context.what)}: ", context)
        if context.new and typed != _asked(f"{_capital(context.what)}, again: ", context):
            raise DataError(context.what, "the two entries differ")
        return typed


def _asked(question: str, context: Context) -> Secret:
    from .terminal import MAX_LINE, ask

    try:
        terminal = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY)
    except OSError:
        raise UnavailableError(
            "prompt:", f"there is no terminal to ask for the {context.what}", _HINT
        ) from None
    try:
        line = ask(terminal, question)
    finally:
        os.close(terminal)
    if not line.endswith(b"\n"):
        raise MissingInputError(context.what, "the terminal was closed before the line was complete")
    if len(line) >= MAX_LINE:
        raise DataError(context.what, "is longer than a line of the terminal can be", "use file:PATH")
    return Secret(b"") if line == b"\n" and context.may_be_empty else one_secret(line, context.what)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
