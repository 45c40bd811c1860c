"""The source of a map as makemap(8) reads it, so that a map can be made without it."""

from ..errors import DamagedFileError

MAX_LINE = 1023


def records(content: bytes, path: str) -> dict[bytes, bytes]:
    """Return the records: keys in lower case, values the rest of the line; of a repeated key the first.

    Raises:
        DamagedFileError: a line that makemap refuses, by its number.
    """
    found: dict[bytes, bytes] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line.strip() or line.startswith(b"#"):
            continue
        key, *value = line.split(None, 1)
        if not value or line[:1].isspace() or len(line) > MAX_LINE:
            raise DamagedFileError(path, f"line {number} is not 'key value' of up to {MAX_LINE} octets")
        found.setdefault(key.lower(), value[0])
    return found
