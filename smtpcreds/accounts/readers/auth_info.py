"""Sendmail's default-auth-info, which holds one account."""

from collections.abc import Iterator

from ...errors import DamagedFileError
from ...mta.auth_info import parse
from ...sasldb.records import USER_PASSWORD
from .rows import Fault, Row


def read(content: bytes) -> Iterator[Row | Fault]:
    """Give the account; see :data:`.rows.Reader`.

    A realm in the authentication id goes before the realm line, as it does for the relay.
    """
    try:
        found = parse(content, "")
    except DamagedFileError as error:
        yield Fault("line 1", error.reason)
        return
    realm = "" if "@" in found.authcid else found.realm
    yield Row("line 3", found.authcid, realm, {USER_PASSWORD: found.secret.reveal()})


def is_auth_info(content: bytes) -> bool:
    """Tell whether a file can only be this: three to five lines, of which the first two are one bare id."""
    lines = [line for line in content.removesuffix(b"\n").split(b"\n") if not line.startswith(b"#")]
    if not 3 <= len(lines) <= 5:
        return False
    return lines[0] == lines[1] != b"" and not any(mark in lines[0] for mark in b",:{\t")
