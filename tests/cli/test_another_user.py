"""Not being root is the commonest mistake: it is said so, and never that something is missing."""

import tempfile
from pathlib import Path

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


def test_a_key_that_this_user_may_not_read_is_not_called_missing() -> None:
    """On a host without an authority; the cure would put another key in the place of a good one."""
    with tempfile.TemporaryDirectory() as place:
        Path(place).chmod(0o755)
        host = Admin(Path(place) / "host")
        for name in ("cert", "key"):
            host.write(f"/etc/dovecot/private/{name}.pem", "private", 0o600)
        own = (
            "ssl = yes\nssl_cert = </etc/dovecot/private/cert.pem\nssl_key = </etc/dovecot/private/key.pem\n"
        )
        host.write("/etc/dovecot/dovecot.conf", own, 0o644)
        found = host.as_user(NOBODY).json("audit", status=1)["findings"]
    assert {row["code"] for row in found} == {"AUDIT001"}
