"""``python -m smtpcreds``, and the program itself."""

import gc
import os
import signal
import sys
from _thread import RLock
from importlib.machinery import ModuleSpec
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any, NoReturn

from . import __version__


def main() -> NoReturn:
    """Run the program; Ctrl-C while it is still being loaded ends it without a traceback."""
    previous = signal.getsignal(signal.SIGINT)
    if previous is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    if _is_answered(sys.argv[1:]):
        sys.exit()
    gc.set_threshold(_GARBAGE)
    for name in _PUT_OFF:
        _put_off(name)
    from .cli import main as run
    from .cli.session import COMPLETE

    signal.signal(signal.SIGINT, previous)
    try:
        run()
    except SystemExit as end:
        if COMPLETE in os.environ:  # whoever pressed Tab waits for no destructors
            os._exit(int(end.code or 0))
        raise


_GARBAGE = 50_000
"""Objects that are made between two looks for garbage; what is imported is none, and that are fewer."""


_PUT_OFF = ("inspect", "socket")
"""What ``dataclasses`` and ``email.utils`` import and most runs never use; together they take 12 ms."""


class _PutOff(ModuleType):
    """A module that is loaded when it is first used; ``importlib.util.LazyLoader`` loads on import."""

    def __getattr__(self, name: str) -> Any:
        with _loading:  # another thread waits until all of it is there
            if spec := _specs.pop(self.__name__, None):
                spec.loader.exec_module(self)  # type: ignore[union-attr]
                self.__class__ = ModuleType  # type: ignore[assignment]
        return ModuleType.__getattribute__(self, name)  # super() would need the former class


_specs: dict[str, ModuleSpec] = {}
_loading = RLock()


def _put_off(name: str) -> None:
    if name not in sys.modules and (spec := find_spec(name)):
        _specs[name], sys.modules[name] = spec, module_from_spec(spec)
        sys.modules[name].__class__ = _PutOff


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
