"""Secrets made on the spot: ``generate:`` and ``generate:words``."""

from collections.abc import Callable
from typing import NamedTuple, Self

from ..errors import UsageError
from ..passwords import generate, generate_words
from ..secret import Secret
from .protocol import Context

_MAKERS: dict[str, Callable[[], Secret]] = {"": generate, "words": generate_words}


class Generated(NamedTuple):
    """A new random secret, as characters or as words."""

    style: str

    @classmethod
    def parse(cls, argument: str) -> Self:
        """Parse the style: nothing, or ``words``.

        Raises:
            UsageError: anything else.
        """
        if argument not in _MAKERS:
            raise UsageError("generate:", "takes nothing behind the colon, or words")
        return cls(argument)

    def read(self, context: Context) -> Secret:
        """Return a secret that never was before.

        Raises:
            UsageError: where an existing secret is asked for.
        """
        if not context.new:
            raise UsageError("generate:", f"can't know the {context.what}; it only makes new secrets")
        return _MAKERS[self.style]()
