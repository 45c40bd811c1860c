"""Not being root is the commonest mistake: it is said so, and never that something is missing."""

import pytest
from admin import NOBODY, Admin

READING = [
    "ca show",
    "ca export",
    "cert list",
    "cert show dmzmail",
    "cert verify dmzmail",
    "inventory check",
    "inventory events",
    "mta check sendmail-hub",
    "mta diff sendmail-hub",
    "mta render sendmail-hub",
    "sasl export --as csv",
    "sasl list",
    "sasl rotations",
    "sasl show maildroid",
    "sasl verify maildroid --password file:/dev/null",
    "status",
    "tlsa plan dmzmail",
    "tlsa show dmzmail",
]
WRITING = [
    "bundle attic -o attic.tar",
    "ca crl",
    "ca init",
    "ca passphrase",
    "ca rollover",
    "cert export dmzmail --to pair.pem --with-key",
    "cert issue dmzmail",
    "cert renew dmzmail",
    "cert renew --due",
    "cert request mx",
    "cert revoke dmzmail",
    "inventory convert new",
    "mta apply sendmail-hub",
    "sasl add scanner",
    "sasl auth-info maildroid --to info",
    "sasl convert new --to gdbm",
    "sasl delete maildroid",
    "sasl passwd maildroid",
    "sasl rotate maildroid",
    "sasl rotate --due",
    "setup dmzmail",
    "tlsa next dmzmail",
]


@pytest.mark.parametrize("words", [*READING, *WRITING])
@pytest.mark.parametrize("how", [(), ("-n",)], ids=["", "dry run"])
def test_another_user_is_told_so(hub: Admin, words: str, how: tuple[str, ...]) -> None:
    problem = hub.as_user(NOBODY).refuses(77, *how, *words.split())
    assert "Permission denied" in problem or "belongs to root" in problem
    assert "run it as root" in problem
