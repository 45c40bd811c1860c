"""The command line: parse, one library call, one printer."""

import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from .framework import exit_status, flushed, prepare, smtpcreds
from .session import COMPLETE

_FEW_CYCLES = 100_000
"""Objects between two looks for cycles; Python's 700 make a list of 100,000 accounts a fifth slower."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit status; messages have been printed."""
    try:
        if asked := os.environ.get(COMPLETE):
            return completed(asked)
        result = smtpcreds.main(arguments, prog_name="smtpcreds", standalone_mode=False)
    except BaseException as error:  # noqa: BLE001  # the one place that turns any ending into a status
        return exit_status(error)
    return result if isinstance(result, int) else 0


def completed(asked: str) -> int:
    """Answer a shell in which Tab was pressed."""
    from .completion import answer

    return answer(asked, smtpcreds)


def main() -> NoReturn:
    """Entry point of the ``smtpcreds`` program."""
    gc.set_threshold(_FEW_CYCLES)
    prepare()
    sys.exit(flushed(run()))
