"""The form of each JSON answer is declared, can be printed, and is all that an answer holds."""

import json

import jsonschema
import pytest
from admin import HUB, SECRET, Admin
from answers import refuse_undeclared, verb_of

from smtpcreds.cli.answers import ANSWERS, schema_of
from smtpcreds.cli.tree import smtpcreds

from .test_dry_run import verbs

READING = (
    "ca show",
    "ca crl --check",
    "cert list",
    "cert show dmzmail",
    "cert verify dmzmail",
    "sasl list",
    "mta list",
    "mta render sendmail-hub",
    "inventory events",
    "status",
    "tlsa show dmzmail",
)


def test_every_verb_declares_its_answer() -> None:
    assert set(verbs(smtpcreds)) == set(ANSWERS)


@pytest.mark.parametrize("verb", ANSWERS)
def test_each_is_a_json_schema(verb: str) -> None:
    schema = schema_of(verb, 1)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"] == f"smtpcreds --json {verb}"


@pytest.mark.parametrize("words", ["cert issue --json-schema", "--json-schema cert issue"])
def test_the_program_prints_it(bare: Admin, words: str) -> None:
    """It needs neither the arguments of the verb nor an authority."""
    assert json.loads(bare(*words.split()).out) == schema_of("cert issue", 1)


def test_the_short_form_of_a_verb_has_that_of_the_verb(bare: Admin) -> None:
    assert json.loads(bare("tlsa", "dmzmail", "--json-schema").out)["title"] == "smtpcreds --json tlsa show"


@pytest.mark.parametrize("words", READING)
def test_answers_have_it(hub: Admin, words: str) -> None:
    """As every answer of these tests has to: Admin looks at each."""
    verb = verb_of(words.split())
    assert verb in ANSWERS
    jsonschema.validate(json.loads(hub.run("--json", *words.split()).octets), schema_of(verb, 1))


@pytest.mark.parametrize(
    "document",
    [
        {"schema": 1, "accounts": [], "warnings": [], "more": 1},
        {"schema": 1, "accounts": []},
        {"schema": 2, "accounts": [], "warnings": []},
        {"schema": 1, "accounts": [{"account": f"joe@{HUB}", "secret": "x"}], "warnings": []},
    ],
)
def test_any_other_is_noticed(document: object) -> None:
    with pytest.raises(AssertionError, match="sasl list: "):
        refuse_undeclared(("--json", "sasl", "list"), json.dumps(document).encode(), b"")


def test_a_line_of_standard_error_has_its_own(hub: Admin) -> None:
    line = hub.run("--json", "sasl", "show", "nobody").complaint
    refuse_undeclared(("--json", "sasl", "show"), b"", line)
    with pytest.raises(AssertionError, match="sasl show: "):
        refuse_undeclared(("--json", "sasl", "show"), b"", line.replace(b'"why"', b'"reason"'))


def test_no_answer_holds_the_secret(hub: Admin) -> None:
    source = hub.secret("given")
    assert SECRET.decode() not in hub("--json", "sasl", "add", "joe", "--password", source)
    for words in (
        "sasl show joe",
        "sasl list",
        "sasl export",
        "mta render sendmail-client --account joe --host a",
    ):
        assert SECRET.decode() not in hub.run("--json", *words.split()), words
