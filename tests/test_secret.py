"""A secret leaves through one door."""

import copy
import json
import logging
import pickle
import traceback

import pytest

from smtpcreds.model import Account, Artifact, Credential
from smtpcreds.secret import Secret

VALUE = "hunter2-correct-horse"


def test_reveal_is_the_door() -> None:
    assert Secret(VALUE).reveal() == VALUE.encode()
    assert Secret("ü").reveal() == b"\xc3\xbc"
    assert len(Secret("ü")) == 2
    assert not Secret("")


@pytest.mark.parametrize(
    "leak",
    [
        str,
        lambda s: f"{s}",
        "{}".format,
        pickle.dumps,
        json.dumps,
        copy.deepcopy,
        hash,
    ],
)
def test_other_ways_out_refuse(leak: object) -> None:
    with pytest.raises(TypeError) as caught:
        leak(Secret(VALUE))  # type: ignore[operator]
    assert VALUE not in "".join(traceback.format_exception(caught.value))


def test_repr_and_logging_show_nothing(caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("x").warning("%r", Secret(VALUE))
    credential = Credential(Account("maildroid", "r"), Secret(VALUE), "r")
    for text in (caplog.text, repr(credential), repr(Artifact("/x", VALUE.encode())), repr(vars)):
        assert VALUE not in text


def test_equality_needs_two_secrets() -> None:
    assert Secret(VALUE) == Secret(VALUE.encode())
    assert Secret(VALUE) != Secret("other")
    assert Secret(VALUE) != VALUE
