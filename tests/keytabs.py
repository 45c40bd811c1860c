"""Keytabs made by MIT's ktutil, and read by its klist."""

import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from lab.debs import library_path, unpacked

REALM = "POLKATISTAS.ORG"


def _krb5(program: str, *words: str, stdin: str = "") -> str:
    tree = unpacked("krb5-user")
    path = next(tree.glob(f"usr/bin/{program}*"))  # Debian 14 has ktutil.mit, beside Heimdal's
    line = ("env", library_path(tree), "KRB5_CONFIG=/dev/null", str(path), *words)
    return subprocess.run(line, input=stdin, check=True, capture_output=True, text=True).stdout


@cache
def keytab(*principals: str) -> bytes:
    """Return one with two keys of each principal, ``smtp/dmzmail.polkatistas.org`` for example."""
    entries = (
        f"addent -password -p {principal}@{REALM} -k {number} -e aes256-cts-hmac-sha1-96\nRosamunde\n"
        for principal in principals
        for number in (1, 2)
    )
    with TemporaryDirectory() as directory:
        path = Path(directory) / "keytab"
        _krb5("ktutil", stdin=f"{''.join(entries)}wkt {path}\n")
        return path.read_bytes()


def listed(path: Path) -> list[str]:
    """Return whose keys klist shows, one a key."""
    return [line.split()[1] for line in _krb5("klist", "-k", str(path)).splitlines()[3:]]


def with_hole(content: bytes) -> bytes:
    """Return a keytab whose first key was deleted, as ktremove leaves it: its place has a negative length."""
    length = int.from_bytes(content[2:6], "big")
    return content[:2] + (-length).to_bytes(4, "big", signed=True) + bytes(length) + content[6 + length :]
