"""``python -m smtpcreds``, and the program itself."""

import atexit
import gc
import os
import signal
import sys
from contextlib import suppress
from typing import NoReturn

from . import __version__


def main() -> NoReturn:
    """Run the program, and end without taking apart what was loaded, an eighth of a short run."""
    try:
        run()
    except SystemExit as end:
        threading = sys.modules.get("threading")
        if (threading and threading.active_count() > 1) or not isinstance(end.code, int | None):
            raise
        atexit._run_exitfuncs()  # noqa: SLF001 - what the end of the interpreter calls
        with suppress(AttributeError, OSError, ValueError):  # closed, or on a disk that is full
            sys.stderr.flush()
        os._exit(end.code or 0)


def run() -> NoReturn:
    """Run the program; Ctrl-C while it is still being loaded ends it without a traceback."""
    previous = signal.getsignal(signal.SIGINT)
    if previous is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if _is_answered(sys.argv[1:]):
        sys.exit()
    gc.set_threshold(_GARBAGE)
    from .put_off import begin

    begin()
    from .cli import main as command_line

    signal.signal(signal.SIGINT, previous)
    command_line()


_GARBAGE = 50_000
"""Objects that are made between two looks for garbage; what is imported is none, and that are fewer."""


def _is_answered(words: list[str]) -> bool:
    """Print the version, or the program's help as it was rendered for 80 columns, without loading a command.

    Whatever is in the way of that is left to the command line, which says what it is.
    """
    try:
        if words == ["--version"]:
            text = f"smtpcreds {__version__}\n".encode()
        elif words in (["--help"], ["-h"]) and _is_wide():
            with open(f"{os.path.dirname(__file__)}/cli/help.txt", "rb") as file:
                text = file.read()
        else:
            return False
        return "_SMTPCREDS_COMPLETE" not in os.environ and os.write(1, text) == len(text)
    except OSError:
        return False


def _is_wide() -> bool:
    if "COLUMNS" in os.environ:
        return False
    return not os.isatty(1) or os.get_terminal_size(1).columns >= 80


if __name__ == "__main__":
    main()
