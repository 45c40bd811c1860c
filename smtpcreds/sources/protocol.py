"""What a kind of source is, and what is known when it is asked."""

from typing import NamedTuple, Protocol

from ..secret import Secret

MAX_SECRET = 65536
"""Octets that are read from any source; more is a mistaken file, not a secret."""


class Context(NamedTuple):
    """What the secret is for.

    Attributes:
        what: named in prompts, as in ``passphrase of the CA key``.
        new: a secret is being set, so prompts ask twice and ``generate:`` is allowed.
        may_be_empty: a person at the prompt may answer with nothing. Other sources never may: an
            empty file is an accident.
    """

    what: str
    new: bool = False
    may_be_empty: bool = False


class Source(Protocol):
    """A place that gives one secret when asked."""

    def read(self, context: Context, /) -> Secret:
        """Return the secret.

        Raises:
            SmtpcredsError: with the source as its subject, never with what was read.
        """
        ...
