"""From octets that some place gave to one secret."""

import os

from ..errors import DataError, MissingInputError, WriteError
from ..secret import Secret
from .protocol import MAX_SECRET


def read_all(descriptor: int, subject: str) -> Secret:
    """Read a descriptor to its end, and no further than a secret may be long.

    Raises:
        MissingInputError, DataError: as :func:`one_secret`.
        WriteError: the kernel refuses the read.
    """
    parts: list[bytes] = []
    try:
        while (sum(map(len, parts)) <= MAX_SECRET) and (part := os.read(descriptor, MAX_SECRET + 1)):
            parts.append(part)
    except OSError as error:
        raise WriteError(subject, f"can't be read: {error.strerror}") from None
    return one_secret(b"".join(parts), subject)


def one_secret(value: bytes, subject: str) -> Secret:
    """Drop one line feed from the end, as saslpasswd2 does, and refuse what can't be a secret.

    Raises:
        MissingInputError: nothing is left.
        DataError: over ``MAX_SECRET`` octets, or a NUL.
    """
    if len(value) > MAX_SECRET:
        raise DataError(subject, f"gives more than {MAX_SECRET} octets, which is no secret")
    if b"\0" in value:
        raise DataError(subject, "gives a NUL, which no secret can hold")
    if not (value := value.removesuffix(b"\n")):
        raise MissingInputError(subject, "gives an empty secret")
    return Secret(value)
