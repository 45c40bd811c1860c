"""One object out of a file that may be PEM (RFC 7468) or DER."""

from ..errors import DamagedFileError, DataError, ForeignFormatError
from . import der
from .pem import blocks


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
    if data[:1] == bytes((der.SEQUENCE,)):
        return data
    found = blocks(data)
    if not found:
        raise ForeignFormatError(subject, f"is neither PEM nor DER; expected {what}" if data else "is empty")
    wanted = [block for block in found if block.label in labels]
    if not wanted:
        others = ", ".join(sorted({block.label for block in found}))
        raise ForeignFormatError(subject, f"holds {others}, not {what}")
    if len(wanted) > 1:
        raise DataError(subject, f"holds {len(wanted)} objects where one is expected: {what}")
    decoded = wanted[0].decode()
    if decoded is None:
        raise DamagedFileError(subject, f"its base64 text does not hold {what} whole")
    return decoded
