"""The mechanisms with libgsasl as the server: its verdict, and its proof."""

import pytest

from smtpcreds.secret import Secret
from smtpcreds.smtp.connection import SaslError
from smtpcreds.smtp.sasl import MECHANISMS, WAIT, Binding, Channel, Login

from .gsasl import NEEDS_MORE, OK, Server

HASHED = ("SCRAM-SHA-1", "SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5")
BINDING = b"of this session"
SECRET = 'Ch1mp? ,03fuzz "fl0\\ppi"=ü'


def converse(mechanism: str, password: str, binding: bytes | None = None, real: bytes | None = None) -> bool:
    """Run both sides; tell whether the server was content and the client has said its last."""
    server = Server(mechanism, SECRET, real)
    channel = Channel("localhost", "localhost", Binding("tls-unique", binding) if binding else None)
    exchange = MECHANISMS[mechanism](Login("maildroid", Secret(password)), channel)
    try:
        message = next(exchange)
        code, said = server.step(b"") if message is WAIT else server.step(message.data)
        while code == NEEDS_MORE or (code == OK and said):
            message = exchange.send(said)
            if code == OK:
                break
            code, said = server.step(message.data)
        return code == OK and message.last
    finally:
        server.close()


@pytest.mark.parametrize("mechanism", HASHED)
def test_the_right_password_opens(mechanism: str) -> None:
    assert converse(mechanism, SECRET)


@pytest.mark.parametrize("mechanism", HASHED)
def test_another_one_does_not(mechanism: str) -> None:
    assert not converse(mechanism, "Ch1mp? ,03fuzz")


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1-PLUS", "SCRAM-SHA-256-PLUS"])
def test_a_binding_has_to_be_that_of_the_session(mechanism: str) -> None:
    assert converse(mechanism, SECRET, BINDING, BINDING)
    assert not converse(mechanism, SECRET, BINDING, b"of another one")
    with pytest.raises(SaslError, match="no channel binding"):
        converse(mechanism, SECRET, None, BINDING)
