"""PEM (RFC 7468): one object out of a file that may also be DER, and one object into a file."""

import base64
import binascii
import re

from ..errors import DamagedFileError, DataError, ForeignFormatError

_BLOCK = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----([^-]*)-----END \1-----")
_SEQUENCE = b"\x30"


def single(data: bytes, labels: tuple[str, ...], what: str, subject: str) -> bytes:
    """Return the DER of the only object of its kind in the data.

    Args:
        data: PEM with any text around it, or bare DER.
        labels: the PEM labels that name this kind of object.
        what: the kind, for messages ("a certificate request").
        subject: the file the data came from.

    Raises:
        ForeignFormatError: neither PEM nor DER, or PEM of other kinds only.
        DataError: more than one such object.
        DamagedFileError: the base64 text is broken.
    """
    if data.startswith(_SEQUENCE):
        return data
    blocks = [(label.decode(), text) for label, text in _BLOCK.findall(data)]
    if not blocks:
        raise ForeignFormatError(subject, f"is neither PEM nor DER; expected {what}" if data else "is empty")
    wanted = [text for label, text in blocks if label in labels]
    if not wanted:
        found = ", ".join(sorted({label for label, _ in blocks}))
        raise ForeignFormatError(subject, f"holds {found}, not {what}")
    if len(wanted) > 1:
        raise DataError(subject, f"holds {len(wanted)} objects where one is expected: {what}")
    return _decoded(wanted[0], subject)


def wrap(encoded: bytes, label: str) -> bytes:
    """Return DER as PEM, in lines of 64 characters."""
    text = binascii.b2a_base64(encoded, newline=False)
    lines = b"\n".join(text[at : at + 64] for at in range(0, len(text), 64))
    return b"-----BEGIN %b-----\n%b\n-----END %b-----\n" % (label.encode(), lines, label.encode())


def _decoded(text: bytes, subject: str) -> bytes:
    try:
        return base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as error:
        raise DamagedFileError(subject, f"has broken base64 text ({error})") from None
