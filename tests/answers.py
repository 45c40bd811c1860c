"""Every JSON document that the program prints is held against the schema that it declares."""

import json
import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import jsonschema

from smtpcreds.cli.answers import ANSWERS, schema_of
from smtpcreds.cli.session import SCHEMA

TOO_LONG = 300_000
"""Octets; a list of 100,000 accounts would take half a minute, and has the form of a short one."""
SECRET_WORDS = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")


def refuse_undeclared(words: Sequence[str], answer: bytes, complaint: bytes) -> None:
    """Insist that the answer and each line on standard error have a form that their verb declares."""
    if "--json" not in words or "--json-schema" in words or len(answer) > TOO_LONG:
        return
    verb = verb_of(words)
    assert not SECRET_WORDS.search(answer.decode(errors="replace")), "a private key in JSON"
    if verb and answer.startswith(b"{"):
        _refuse(verb, "", json.loads(answer))
    for line in complaint.splitlines():
        if verb and line.startswith(b'{"schema": '):
            _refuse(verb, "stderr", json.loads(line))


def verb_of(words: Sequence[str]) -> str:
    """Return the verb of a command line; empty where it has none."""
    for number, word in enumerate(words):
        if word in ANSWERS:
            return word
        below = [f"{word} {later}" for later in words[number + 1 :] if f"{word} {later}" in ANSWERS]
        if below:
            return below[0]
        if word == "tlsa":
            return "tlsa show"
    return ""


def _refuse(verb: str, part: str, document: Any) -> None:
    error = jsonschema.exceptions.best_match(_validator(verb, part).iter_errors(document))
    assert error is None, f"{verb}: {'/'.join(map(str, error.absolute_path))}: {error.message[:500]}"


@cache
def _validator(verb: str, part: str) -> Any:
    whole = schema_of(verb, SCHEMA)
    return jsonschema.Draft202012Validator(whole["$defs"][part] if part else whole)
