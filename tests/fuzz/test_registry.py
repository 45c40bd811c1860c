"""Every function and method that reads a text or octets of others has a strategy in :mod:`.parsers`."""

import ast
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType

import pytest
from test_architecture import files, name_of, room_of

import smtpcreds
from smtpcreds.errors import SmtpcredsError

from .parsers import PARSERS

pytestmark = pytest.mark.filterwarnings("ignore")
OURS = {"cli", "library", "files", "errors", "shell", "lazy", "progress", "__main__", "__init__"}
"""Rooms that read nothing of others by themselves, or are asked by those that do."""
NAMES = re.compile(r"_*(parse|read|decode|unpack|expand)(_\w+)?")
CONTENTS = {"text", "data", "content", "octets", "line", "argument", "stored", "der", "pem", "key", "message"}
CONTENTS |= {"equates"}
OF_OURSELVES = {"pki/encoding.py:decode_der"}
"""It is given the certificate that this run has just signed."""


def _is_content(argument: ast.arg) -> bool:
    kind = argument.annotation
    return argument.arg in CONTENTS and isinstance(kind, ast.Name) and kind.id in {"str", "bytes"}


def _functions(node: ast.Module | ast.ClassDef, inside: str = "") -> Iterator[tuple[str, ast.FunctionDef]]:
    """Give every function and method by its qualified name; those of a protocol have no body."""
    for below in node.body:
        if isinstance(below, ast.ClassDef) and "Protocol" not in map(ast.unparse, below.bases):
            yield from _functions(below, f"{inside}{below.name}.")
        elif isinstance(below, ast.FunctionDef):
            yield inside + below.name, below


def _found() -> Iterator[str]:
    for path in files():
        for name, function in [] if room_of(path) in OURS else _functions(ast.parse(path.read_text())):
            if NAMES.fullmatch(function.name) and any(map(_is_content, function.args.args)):
                yield f"{name_of(path)}:{name}"


def _forget_answers() -> None:
    """Empty the caches of functions: what an earlier test of this process asked would not be called again."""
    for name, module in sorted(sys.modules.items()):
        if name.partition(".")[0] == smtpcreds.__name__:
            for function in vars(module).values():
                if callable(clear := getattr(function, "cache_clear", None)):
                    clear()


def _reached() -> set[str]:
    reached: set[str] = set()
    top = f"{Path(smtpcreds.__file__).parent}/"  # the installed one, where that is tested
    _forget_answers()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(top):
            reached.add(f"{frame.f_code.co_filename.removeprefix(top)}:{frame.f_code.co_qualname}")

    sys.setprofile(note)
    try:
        for parser in PARSERS.values():
            for data in parser.sound():
                with suppress(SmtpcredsError):
                    parser.parse(data)
    finally:
        sys.setprofile(None)
    return reached


def test_each_is_called_by_a_strategy() -> None:
    found = set(_found())
    assert len(found) > 60
    missed = sorted(found - _reached() - OF_OURSELVES)
    assert not missed, missed
