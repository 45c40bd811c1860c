"""How a conversation can fail, beside replies that are none (:class:`.dialogue.ReplyError`)."""

from ..errors import ProtocolError, UnavailableError
from .dialogue import Reply


class UnreachableError(UnavailableError):
    """No connection could be made."""


class SilentError(UnavailableError):
    """The other side did not answer in time."""


class ClosedError(ProtocolError):
    """The other side closed the connection."""


class TlsError(ProtocolError):
    """TLS failed; the reason is in OpenSSL's words."""


class RefusedError(ProtocolError):
    """The server answered, and the answer is no.

    Attributes:
        reply: what it said.
    """

    def __init__(self, subject: str, reply: Reply) -> None:
        super().__init__(subject, str(reply))
        self.reply = reply


class SaslError(ProtocolError):
    """A challenge that breaks its mechanism, or a server that can't prove to know the secret."""
