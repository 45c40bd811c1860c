"""Copies of keys, certificates and CRLs for mail programs that can't read those of root."""

import re
from collections.abc import Mapping

from ..errors import DamagedFileError
from ..secret import Secret

_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")


def parse(content: bytes, path: str) -> Mapping[str, str | Secret]:
    """Return the PEM texts of a file by their order and label; a private key is a secret.

    Raises:
        DamagedFileError: a text without its end, or no text at all.
    """
    found: dict[str, str | Secret] = {}
    label, start = "", 0
    lines = content.decode(errors="replace").splitlines()
    for number, line in enumerate(lines, 1):
        if begin := _BEGIN.fullmatch(line.strip()):
            label, start = begin[1], number
        elif label and line.strip() == f"-----END {label}-----":
            text = "\n".join(lines[start : number - 1])
            found[f"{label} {len(found) + 1}"] = Secret(text) if "PRIVATE KEY" in label else text
            label = ""
    if label or not found:
        raise DamagedFileError(path, f"line {max(start, 1)} begins no PEM text that has an end")
    return found
