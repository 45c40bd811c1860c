"""What a probe is told to do."""

from dataclasses import dataclass

from ..errors import UsageError, quoted
from ..pki.tlsa_match import Association
from ..smtp.connection import Patience
from ..smtp.sasl import MECHANISMS, Login
from ..smtp.tls import ClientFiles
from .target import Target
from .trust import Trust

ROUNDS = 20
"""The whole probe may take so many times the patience with one step."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who logs in.

    Attributes:
        login: for the mechanisms.
        realm: of the account.
        served: mechanisms that the account has a secret for; None where the database is not here.
    """

    login: Login
    realm: str = ""
    served: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """The envelope of a message to send; addresses without angle brackets."""

    sender: str
    recipient: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Everything.

    Attributes:
        target: where.
        trust: what its certificate is checked against.
        hello: our name.
        identity: None where nobody logs in.
        client: certificate and key to present.
        revoked: a pair that must be refused.
        tlsa: records of which one must fit.
        mechanisms: to try; empty for all that are offered.
        negative: try what must be refused.
        insecure: send the password even if the server is not verified.
        letter: a message to send.
        seconds: patience with one step.
    """

    target: Target
    trust: Trust
    hello: str
    identity: Identity | None = None
    client: ClientFiles | None = None
    revoked: ClientFiles | None = None
    tlsa: tuple[Association, ...] = ()
    mechanisms: tuple[str, ...] = ()
    negative: bool = False
    insecure: bool = False
    letter: Letter | None = None
    seconds: float = 30.0

    def patience(self) -> Patience:
        """Start waiting."""
        return Patience.of(self.seconds, self.seconds * ROUNDS)


def parse_mechanism(text: str) -> str:
    """Return the name of a mechanism that is implemented.

    Raises:
        UsageError: it is not; the hint lists those that are.
    """
    if text.upper() not in MECHANISMS:
        raise UsageError(quoted(text), "is no mechanism that can be tried", f"known: {', '.join(MECHANISMS)}")
    return text.upper()


def parse_mailbox(text: str) -> str:
    """Return an address that can stand in an envelope.

    Raises:
        UsageError: no ``local@domain`` in ASCII, or one with spaces or brackets.
    """
    local, at, domain = text.rpartition("@")
    if not (local and at and domain and text.isascii() and text.isprintable()) or set(text) & set(" <>,;"):
        raise UsageError(quoted(text), "is no address of the form name@domain")
    return text
