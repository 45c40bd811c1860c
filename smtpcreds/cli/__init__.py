"""The command line: parse, one library call, one printer."""

import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from .framework import EVERYWHERE, ROOT, exit_status, flushed, prepare
from .quick import Call, read
from .session import COMPLETE, Session

_FEW_CYCLES = 100_000
"""Objects between two looks for cycles; Python's 700 make a list of 100,000 accounts a fifth slower."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status; messages have been printed."""
    try:
        if asked := os.environ.get(COMPLETE):
            return completed(asked)
        words = sys.argv[1:] if arguments is None else arguments
        call = read(words, ROOT, EVERYWHERE)
        result = _carried_out(call, Session()) if call else _by_click(words)
    except BaseException as error:  # noqa: BLE001  # the one place that turns any ending into a status
        return exit_status(error)
    return result if isinstance(result, int) else 0


def _carried_out(call: Call, session: Session) -> object:
    for name, value in call.session.items():
        setattr(session, name, value)
    session.database = call.values.get("database")
    return call.command(**call.values)


def _by_click(words: Sequence[str]) -> object:
    from . import tree

    return tree.run(words, Session())


def completed(asked: str) -> int:
    """Answer a shell in which Tab was pressed."""
    from .completion import answer
    from .tree import smtpcreds

    return answer(asked, smtpcreds)


def main() -> NoReturn:
    """Entry point of the ``smtpcreds`` program."""
    gc.set_threshold(_FEW_CYCLES)
    prepare()
    sys.exit(flushed(run()))
