"""smtpcreds-symptoms(7) and what probe knows say the same, and a remedy is a command that exists."""

import pytest
from cures import unknown
from symptoms_page import PAGE, entries

from smtpcreds.errors import DataError
from smtpcreds.probe.symptoms import SYMPTOMS, Symptom, explain

ENTRIES = entries()


def same(shown: str, known: str) -> bool:
    return shown.removesuffix(".").lower() == known.lower()


def test_nothing_else_stands_there() -> None:
    assert len(ENTRIES) == PAGE.read_text().count("\nRemedy: ")


@pytest.mark.parametrize("symptom", SYMPTOMS, ids=lambda symptom: f"{symptom.step}: {symptom.said}"[:60])
def test_each_symptom_stands_there(symptom: Symptom) -> None:
    cure = symptom.cure.replace("{host}", "HOST")
    assert [e for e in ENTRIES if same(e[1], symptom.cause) and e[2] == cure and e[0][0][0]]


@pytest.mark.parametrize("entry", [e for e in ENTRIES if e[0][0][0]], ids=lambda entry: entry[0][0][1])
def test_probe_explains_the_words_of_the_page_so(entry: tuple[list[tuple[str, str]], str, str]) -> None:
    heads, cause, cure = entry
    for step, text in heads:
        said, advice = explain("quit" if step == "any" else step, DataError("probe", text), "HOST")
        assert same(cause, said), text
        assert advice == cure


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry[0][0][1])
def test_a_remedy_is_a_command_that_exists(entry: tuple[list[tuple[str, str]], str, str]) -> None:
    assert [*unknown(entry[2])] == []
