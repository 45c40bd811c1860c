"""Every function that reads a text or octets of others has a strategy in :mod:`.parsers`."""

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
OURS = {"cli", "library", "files", "errors", "shell", "lazy", "progress", "inventory", "__main__", "__init__"}
"""Rooms that read nothing of others by themselves, or are asked by those that do."""
NAMES = re.compile(r"(parse|read|decode|unpack|expand)(_\w+)?")
CONTENTS = {"text", "data", "content", "octets", "line"}
OF_OURSELVES = {"sources.py:parse_source"}
"""It takes variables out of the environment of this process."""


def _is_content(argument: ast.arg) -> bool:
    kind = argument.annotation
    return argument.arg in CONTENTS and isinstance(kind, ast.Name) and kind.id in {"str", "bytes"}


def _found() -> Iterator[str]:
    for path in files():
        for node in [] if room_of(path) in OURS else ast.parse(path.read_text()).body:
            if not isinstance(node, ast.FunctionDef) or not NAMES.fullmatch(node.name):
                continue
            if any(map(_is_content, node.args.args)):
                yield f"{name_of(path)}:{node.name}"


def _reached() -> set[str]:
    reached: set[str] = set()
    top = f"{Path(smtpcreds.__file__).parent}/"  # the installed one, where that is tested

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(top):
            reached.add(f"{frame.f_code.co_filename.removeprefix(top)}:{frame.f_code.co_name}")

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
    assert sorted(found - _reached() - OF_OURSELVES) == []
