"""An ordinary command line is read without click, and means what it means to click."""

import sys
from collections.abc import Iterator
from typing import Any

import click
import pytest
from admin import Admin, peer
from hypothesis import given, settings
from hypothesis import strategies as st

from smtpcreds.cli.framework import EVERYWHERE, ROOT
from smtpcreds.cli.lazy_click import Command, Group, Parameter, Type
from smtpcreds.cli.quick import command_of, is_flag, read
from smtpcreds.cli.session import Session
from smtpcreds.cli.tree import Verb, smtpcreds

Meaning = tuple[dict[str, Any], dict[str, Any]]


def verbs(group: Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    for name in group.table:
        found = command_of(group, name)
        if isinstance(found, Group):
            yield from verbs(found, (*path, name))
        else:
            yield (*path, name), found


VERBS = dict(verbs(ROOT))
WORDS = ["attic", "dmzmail.example.org", "7", "25", "007", "70000", "9" * 30, "٣", "", "a b", "é", "\udcff"]
ODD = ["-", "--", "-x", "-nq", "--help", "--days=3", "--json-schema", "--ver", "-1"]


def values(parameter: Parameter) -> st.SearchStrategy[str]:
    kind = parameter.settings.get("type")
    fixed = [*kind.positional[0]] if isinstance(kind, Type) and kind.name == "Choice" else []
    return st.sampled_from(fixed * 3 + WORDS + [text.lower() for text in fixed] + ODD[:2])


@st.composite
def written(draw: st.DrawFn, parameters: tuple[Parameter, ...]) -> list[str]:
    """Some options and arguments in any order, each with what it takes, or too little."""
    chosen = draw(st.lists(st.sampled_from(parameters), max_size=5)) if parameters else []
    pieces = []
    for parameter in chosen:
        name = [draw(st.sampled_from(parameter.names))] if parameter.is_option else []
        name = [word for word in name if word.startswith("-")]
        takes = not (parameter.is_option and is_flag(parameter))
        pieces.append([*name, *([draw(values(parameter))] if takes else [])])
    needed = [[draw(values(p))] for p in parameters if not p.is_option]
    strange = [[draw(st.sampled_from(ODD))]] if draw(st.integers(0, 3)) == 0 else []
    return [word for piece in draw(st.permutations([*pieces, *needed, *strange])) for word in piece]


@st.composite
def lines(draw: st.DrawFn) -> list[str]:
    path = draw(st.sampled_from([*VERBS]))
    before = draw(written(tuple(p for p in EVERYWHERE)))
    return [*before, *path, *draw(written((*VERBS[path].parameters, *EVERYWHERE)))]


def by_click(words: list[str], monkeypatch: pytest.MonkeyPatch) -> Meaning | None:
    """What click makes of it; None where it does not come to a verb."""
    seen: list[Meaning] = []
    session = Session()

    def invoke(_: Verb, context: click.Context) -> None:
        seen.append((context.params, vars(session)))

    with monkeypatch.context() as patched:
        patched.setattr(Verb, "invoke", invoke)
        try:
            smtpcreds.main(words, prog_name="smtpcreds", standalone_mode=False, obj=session)
        except click.UsageError:
            return None
    return seen[0] if seen else None


def at_once(words: list[str]) -> Meaning | None:
    call = read(words, ROOT, EVERYWHERE)
    return (call.values, vars(Session()) | call.session) if call else None


@pytest.fixture(scope="module")
def patching() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patched:
        yield patched


@settings(max_examples=500, deadline=None)
@given(words=lines())
def test_what_is_read_at_once_means_the_same_to_click(patching: pytest.MonkeyPatch, words: list[str]) -> None:
    meant = at_once(words)
    if meant is not None:
        assert meant == by_click(words, patching)


@pytest.mark.parametrize("path", VERBS, ids=" ".join)
def test_every_verb_is_read_at_once(patching: pytest.MonkeyPatch, path: tuple[str, ...]) -> None:
    """With its arguments, and with each of its options that takes a plain value."""
    words = [*path, *("attic" for p in VERBS[path].parameters if not p.is_option)]
    assert at_once(words) == by_click(words, patching) is not None
    for option in filter(lambda p: p.is_option and is_flag(p), VERBS[path].parameters):
        more = [*words, next(name for name in option.names if name.startswith("-"))]
        assert at_once(more) == by_click(more, patching) is not None


@pytest.mark.parametrize(
    "odd", [["--help"], ["--json-schema"], ["--forse"], ["-nq"], ["--days=3"], ["--", "x"]]
)
def test_what_is_not_certain_is_left_to_click(odd: list[str]) -> None:
    assert at_once(["cert", "issue", "attic"])
    assert at_once(["cert", "issue", "attic", *odd]) is None


@pytest.mark.parametrize(
    "words", [("cert", "list"), ("sasl", "list", "--json"), ("-n", "cert", "issue", "mx")]
)
def test_an_ordinary_command_imports_no_click(hub: Admin, words: tuple[str, ...]) -> None:
    said = peer(sys.executable, "-X", "importtime", "-m", "smtpcreds", "--root", hub.root, *words)
    imported = {line.rpartition("|")[2].strip() for line in said.splitlines()}
    assert "smtpcreds.cli.quick" in imported
    assert not imported & {"click", "uuid", "gettext", "textwrap"}
