"""The text form: every kind parses, and nothing that may be a secret comes back in a message."""

import pytest

from smtpcreds.errors import UsageError
from smtpcreds.passwords import check_chosen
from smtpcreds.sources import KINDS, Context, is_generated, parse_source, resolve

NEW = Context("password", new=True)
OLD = Context("password")


@pytest.mark.parametrize(
    "text",
    ["hunter2", "", ":", "pass:hunter2", "Tr0ub4dor&3:hunter2", " file:hunter2", "FILE:hunter2", "hunter2:"],
)
def test_unknown_kinds_are_refused_without_echo(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_source(text)
    assert all(form in caught.value.reason for form, _ in KINDS.values())
    assert "prompt:" in str(caught.value.hint)
    assert "hunter2" not in repr(caught.value)
    assert "Tr0ub" not in repr(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "prompt:hunter2",
        "stdin:hunter2",
        "fd:hunter2",
        "fd:",
        "fd:-1",
        "fd:99999999999999999999",
        "fd:²",
        pytest.param(f"fd:{'9' * 5000}", id="fd:9..."),
        "file:",
        "file:a\0b",
        "env:",
        "env:hunter-2",
        "env:2hunter",
        "cmd:",
        "cmd:' hunter2",
        "cmd:''",
        "keyring:",
        "keyring:hunter2",
        "keyring:/hunter2",
        "keyring:hunter2/",
        "credential:",
        "credential:..",
        "credential:../hunter2",
        "generate:hunter2",
    ],
)
def test_arguments_that_do_not_fit_are_refused_without_echo(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_source(text)
    assert caught.value.subject == text.partition(":")[0] + ":"
    assert "hunter" not in repr(caught.value)


def test_the_parser_is_in_the_table_under_its_own_form() -> None:
    for kind, (form, _) in KINDS.items():
        assert form.startswith(f"{kind}:")


@pytest.mark.parametrize(("text", "length"), [("generate:", 27), ("generate:words", 40)])
def test_generated(text: str, length: int) -> None:
    source = parse_source(text)
    made = [resolve(source, NEW) for _ in range(2)]
    assert is_generated(source)
    assert made[0] != made[1]
    assert all(len(secret) >= length for secret in made)
    check_chosen(made[0])


def test_nothing_is_generated_where_a_secret_exists() -> None:
    with pytest.raises(UsageError, match="can't know the password"):
        resolve(parse_source("generate:"), OLD)


def test_only_generate_is_generated() -> None:
    assert not is_generated(parse_source("prompt:"))


def test_a_descriptor_of_many_digits_is_a_number_as_any() -> None:
    """Python itself refuses to read more than 4,300."""
    assert str(parse_source(f"fd:{'0' * 5000}7").subject) == "fd:7"  # type: ignore[attr-defined]
