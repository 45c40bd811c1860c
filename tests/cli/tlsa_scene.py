"""A key of the hub, its certificate, and what openssl and danetool say that their TLSA records are."""

import re
from pathlib import Path

from admin import CERTS, HUB, peer

KEY, CERT, NEXT = (f"{CERTS}/dmzmail-{end}" for end in ("key.pem", "cert.pem", "key.pem.new"))
_DANETOOL = re.compile(r"(\S+) IN TLSA \( (\d\d) (\d\d) (\d\d) ([0-9a-f]+) \)")


def by_danetool(certificate: Path, *options: str) -> str:
    text = peer(
        "danetool", "--tlsa-rr", "--load-certificate", certificate, "--host", HUB, "--port", "25", *options
    )
    match = _DANETOOL.search(text)
    assert match, text
    owner, *numbers, digest = match.groups()
    return f"{owner} IN TLSA {' '.join(str(int(number)) for number in numbers)} {digest}"


def records(out: str) -> list[str]:
    """The data of each record, without its owner."""
    return [line.partition(" TLSA ")[2] for line in out.splitlines() if not line.startswith(";")]


def of_key(path: Path) -> str:
    """The data that belongs to a private key, by openssl."""
    public = peer("openssl", "pkey", "-in", path, "-pubout", "-outform", "DER", "-out", f"{path}.der")
    assert public == ""
    digest = peer("openssl", "dgst", "-sha256", "-r", f"{path}.der").split()[0]
    Path(f"{path}.der").unlink()
    return f"3 1 1 {digest}"
