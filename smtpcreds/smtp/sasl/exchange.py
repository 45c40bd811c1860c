"""The shape of a mechanism: a generator that yields what the client says and is sent what the server says.

The first thing it yields is the initial response, or :data:`WAIT` where the server speaks first. A message
that is ``last`` may be answered with success and nothing else; success before it means that the server has
left out its own proof.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import NamedTuple

from ...secret import Secret


class Message(NamedTuple):
    """What the client says."""

    data: bytes
    last: bool = False


WAIT = Message(b"")
"""The server speaks first."""
Exchange = Generator[Message, bytes, None]


@dataclass(frozen=True, slots=True)
class Login:
    """Who logs in; ``authzid`` is empty where that is who acts. The secret's octets are used as they are."""

    authcid: str
    secret: Secret = field(repr=False)
    authzid: str = ""


@dataclass(frozen=True, slots=True)
class Binding:
    """Channel binding data (RFC 5056): the registered name of its type, and octets."""

    kind: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Channel:
    """What a mechanism knows of the connection.

    Attributes:
        host: the server's name, for DIGEST-MD5's digest-uri.
        realm: that of the account, taken where the server leaves the choice.
        binding: of the session of TLS; None where there is none.
        is_binding_offered: the server offers a mechanism whose name ends in -PLUS.
    """

    host: str
    realm: str = ""
    binding: Binding | None = None
    is_binding_offered: bool = False


Mechanism = Callable[[Login, Channel], Exchange]
