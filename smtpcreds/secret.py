"""A value that can't be printed by accident."""

from typing import NoReturn


class Secret:
    """Bytes that leave through one door, :meth:`reveal`.

    Formatting and pickling raise TypeError, so a secret can't reach a log line, an f-string, JSON or
    another process unnoticed. ``repr`` gives a constant, because debuggers and tracebacks call it.
    """

    __slots__ = ("__value",)

    def __init__(self, value: bytes | str) -> None:
        self.__value = value.encode() if isinstance(value, str) else bytes(value)

    def reveal(self) -> bytes:
        """Return the value; text was encoded as UTF-8."""
        return self.__value

    def __repr__(self) -> str:
        return "<secret>"

    def __str__(self) -> NoReturn:
        raise TypeError("a secret is not text; reveal() it where it is written")

    def __format__(self, spec: str) -> NoReturn:
        raise TypeError("a secret is not text; reveal() it where it is written")

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret can't be pickled")

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __len__(self) -> int:
        return len(self.__value)

    def __eq__(self, other: object) -> bool:
        from hmac import compare_digest

        return isinstance(other, Secret) and compare_digest(self.__value, other.__value)

    __hash__ = None  # type: ignore[assignment]  # hashing would let sets and dicts leak equality by time


class Placeholder(Secret):
    """Stands in a preview for a secret that nobody is asked for; no check may refuse it."""

    __slots__ = ()
