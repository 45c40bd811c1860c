"""Chosen secrets that a program would change, or that open a login of the host.

Debian: whois, openssl, strace.
"""

import subprocess
from pathlib import Path

import pytest
from admin import SECRET, Admin, relay, snapshot


@pytest.fixture
def admin(tmp_path: Path) -> Admin:
    return relay(tmp_path)


@pytest.mark.parametrize(
    ("secret", "reason"),
    [
        ("geh\u00adeim", "SASLprep (RFC 4013), which drops an invisible character"),
        ("geheim\u00a0!", "SASLprep (RFC 4013), which turns an unusual space"),
        ("gehei\uff4d", "SASLprep (RFC 4013), which replaces a character"),
        ("geheim\U0001f436", "is refused by SASLprep (RFC 4013)"),
    ],
)
def test_saslprep(admin: Admin, secret: str, reason: str) -> None:
    ran = admin.sasl("add", "maildroid", "--hashed", "--password", "stdin:", stdin=secret.encode(), status=65)
    assert reason in ran.err
    assert "geh" not in ran.err
    assert not admin.database.exists()


def test_a_fixed_point_of_saslprep_is_accepted_and_opens(admin: Admin) -> None:
    admin.sasl("add", "maildroid", "--hashed", "--password", "stdin:", stdin="gehéimnis €uro".encode())
    assert admin.opened_by("maildroid", "gehéimnis €uro".encode()) == {"SCRAM-SHA-256"}


HASHES = {
    "yescrypt": ("mkpasswd", "-s", "-m", "yescrypt"),
    "$6$": ("openssl", "passwd", "-6", "-stdin"),
}


@pytest.mark.parametrize("method", HASHES)
def test_the_password_of_a_login(admin: Admin, method: str) -> None:
    made = subprocess.run(HASHES[method], input=SECRET + b"\n", capture_output=True, check=True).stdout
    shadow = admin.root / "etc/shadow"
    shadow.write_bytes(b"daemon:*:19000::::::\nanna:" + made.strip() + b":19000:0:99999:7:::\n")
    admin.sasl("add", "attic")
    before = admin.database.read_bytes()
    for words in (("add", "maildroid"), ("add", "maildroid", "--hashed"), ("passwd", "attic")):
        ran = admin.sasl(*words, "--password", admin.secret("s"), status=65)
        assert "is that of the login account anna" in ran.err
        assert SECRET.decode() not in ran.err
    assert admin.database.read_bytes() == before
    admin.sasl("add", "maildroid", "--password", admin.secret("s", SECRET + b"."))


def test_shadow_is_read_for_chosen_secrets_only(admin: Admin) -> None:
    (admin.root / "etc/shadow").write_text("anna:*:19000::::::\n")
    trace = admin.directory / "trace"
    before = ("strace", "-f", "-o", str(trace), "-e", "trace=open,openat")
    for words in (("add", "maildroid"), ("add", "attic", "--hashed"), ("passwd", "attic")):
        admin.sasl(*words, before=before)
        assert "etc/shadow" not in trace.read_text()
        assert "sasldb2" in trace.read_text()
    admin.sasl("passwd", "attic", "--password", admin.secret("s"), before=before)
    assert "etc/shadow" in trace.read_text()


def test_a_login_s_name(admin: Admin) -> None:
    assert "--allow-login-name" in admin.sasl("add", "daemon", status=65).err
    admin.sasl("add", "daemon", "--allow-login-name")


WEAK = {
    "short": (b"Ch1mp!", "has under 8 characters"),
    "repeated": (b"abababababab", "repeats a few characters"),
    "digits": (b"20261128", "is of digits alone"),
    "first": (b"Passphrase1", "is among the first passwords that attackers try"),
}


@pytest.mark.parametrize("kind", WEAK)
def test_a_weak_passphrase_protects_nothing(hub: Admin, kind: str) -> None:
    """Nothing changes, nothing of it is shown, and who wants it so can have it."""
    weak, reason = WEAK[kind]
    source, there = hub.secret("weak", weak), hub.directory
    for program, words in (
        (Admin(there / "one"), ("ca", "init", "--passphrase", source)),
        (Admin(there / "two"), ("setup", "dmzmail.polkatistas.org", "--passphrase", source)),
        (hub, ("ca", "export", "--key", "--to", there / "key", "--new-passphrase", source)),
        (hub, ("ca", "backup", there / "saved.age", "--passphrase", source)),
        (hub, ("bundle", "attic", "-o", there / "attic.age", "--passphrase", source)),
        (hub, ("cert", "export", "dmzmail", "--format", "p12", "--to", there / "p12", "--password", source)),
        (hub, ("ca", "passphrase", "--new-passphrase", source)),
    ):
        before = snapshot(there)
        said = program.refuses(65, *words)
        assert reason in said
        assert said.endswith("hint: choose a longer one, or accept this one: --allow-weak")
        assert weak.decode() not in said
        assert snapshot(there) == before
        if kind == "short":
            program(*words, "--allow-weak")


def test_a_weak_passphrase_that_something_has_opens_it(hub: Admin) -> None:
    weak = hub.secret("weak", b"Ch1mp!")
    hub("ca", "passphrase", "--new-passphrase", weak, "--allow-weak")
    hub("cert", "issue", "attic", "--passphrase", weak)
    hub("ca", "rollover", "--passphrase", weak)
