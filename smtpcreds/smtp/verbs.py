"""What a client says: EHLO, STARTTLS, AUTH, a message (RFC 5321, RFC 3207, RFC 4954)."""

from base64 import b64encode
from binascii import Error as NotBase64
from binascii import a2b_base64
from collections.abc import Iterable
from contextlib import suppress

from ..errors import ProtocolError, UnavailableError
from .connection import (
    BUSY,
    Capabilities,
    Connection,
    Reply,
    ReplyError,
    SaslError,
    UnprovenError,
    capabilities,
    refused,
)
from .sasl import PROVED, WAIT, Exchange, Message

MAX_COMMAND = 512
"""Octets of an AUTH command with its initial response and line end (RFC 4954 section 4)."""


def greet(connection: Connection) -> Reply:
    """Read the banner."""
    return connection.expect(220)


def ehlo(connection: Connection, name: str) -> Capabilities:
    """Say who we are and return what is offered."""
    return capabilities(connection.command(b"EHLO " + name.encode(), 250))


def start_tls(connection: Connection) -> Reply:
    """Ask for TLS, which then has to begin with :meth:`.connection.Connection.secure`."""
    reply = connection.command(b"STARTTLS", 220)
    if early := connection.discard():
        raise ReplyError(connection.peer, f"plain text came behind the answer to STARTTLS ({early} octets)")
    return reply


def authenticate(
    connection: Connection,
    mechanism: str,
    exchange: Exchange,
    secrets: Iterable[bytes],
    *,
    is_proof_enough: bool = False,
) -> Reply:
    """Log in, and return the server's word for it.

    Args:
        connection: on which nobody has logged in yet.
        mechanism: its name for the server.
        exchange: what the client says; see :mod:`.sasl`.
        secrets: what must not be repeated in a message.
        is_proof_enough: cancel where both sides have proved to know the secret and only the word for it is
            left, so that the connection serves for more; the reply is then that to the cancelling, 501 (RFC
            4954 section 4).
    """
    connection.hidden += secrets
    message = next(exchange)
    try:
        reply = _begin(connection, mechanism, message)
        while reply.code == 334:
            message = _next(connection, exchange, reply, message)
            if is_proof_enough and message == PROVED:
                return _cancelled(connection)
            reply = connection.command(_encoded(connection, message))
    except SaslError:
        with suppress(ProtocolError, UnavailableError):
            connection.command(b"*")
        raise
    shown = reply.without(connection.hidden)
    if reply.code != 235:
        raise refused(connection.peer, shown)
    if not message.last:
        raise UnprovenError(connection.peer, f"says {reply.code} before it has proved to know the secret")
    return shown


def _cancelled(connection: Connection) -> Reply:
    reply = connection.command(b"*")
    if reply.code in BUSY:
        raise refused(connection.peer, reply)
    return reply


def _encoded(connection: Connection, message: Message) -> bytes:
    """Return a message as it is sent; the server may repeat it, and is not to be quoted then."""
    encoded = b64encode(message.data)
    connection.hidden.append(encoded)
    return encoded


def _begin(connection: Connection, mechanism: str, first: Message) -> Reply:
    """Send AUTH, with the initial response where there is one that fits into the line."""
    command = b"AUTH " + mechanism.encode()
    if first is WAIT:
        return connection.command(command)
    encoded = _encoded(connection, first)
    initial = command + b" " + (encoded or b"=")
    if len(initial) + 2 <= MAX_COMMAND:
        return connection.command(initial)
    reply = connection.command(command)
    return connection.command(encoded) if reply.code == 334 else reply


def _next(connection: Connection, exchange: Exchange, reply: Reply, message: Message) -> Message:
    if message.last:
        raise SaslError(connection.peer, "asks for more than the mechanism has")
    try:
        challenge = a2b_base64("".join(reply.lines), strict_mode=True)
    except (NotBase64, ValueError):
        raise SaslError(connection.peer, "sent a challenge that is not base64") from None
    try:
        return exchange.send(challenge)
    except SaslError as error:
        raise type(error)(connection.peer, error.reason) from None


def admitted(connection: Connection, sender: str, recipient: str) -> Reply:
    """Return the reply to a recipient of an envelope that is then dropped."""
    try:
        return _envelope(connection, sender, recipient)
    finally:
        with suppress(ProtocolError, UnavailableError):
            connection.command(b"RSET")


def _envelope(connection: Connection, sender: str, recipient: str) -> Reply:
    connection.command(b"MAIL FROM:<" + sender.encode() + b">", 250)
    return connection.command(b"RCPT TO:<" + recipient.encode() + b">", 250, 251)


def deliver(connection: Connection, sender: str, recipient: str, content: bytes) -> Reply:
    """Hand a message over and return what the server says of it.

    Args:
        connection: ready for MAIL.
        sender: address without angle brackets; empty for none.
        recipient: likewise.
        content: lines that end in CRLF.
    """
    _envelope(connection, sender, recipient)
    connection.command(b"DATA", 354)
    stuffed = content.replace(b"\r\n.", b"\r\n..")
    return connection.command(stuffed + b".", 250)
