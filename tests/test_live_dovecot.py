"""A real Dovecot judges what ``smtpcreds mta apply dovecot-hub`` wrote."""

import json
import smtplib
import ssl
from base64 import b64encode
from pathlib import Path

import pytest
from admin import HUB
from lab import DOVECOT, EXIM, Dovecot, Lab
from lab.layer import Software
from lab.postfix import POSTFIX, Postfix
from mail_hosts import ACCOUNT, FOREIGN, SENDER, EximHub, MailHost, SendmailClient

pytestmark = pytest.mark.live

SOCKET = "/var/spool/postfix/private/auth"
USERS = "/etc/dovecot/smtpcreds-users"
TORTURE = "Ch1mp? ,03fuzz a\"b'c`d:e #f %u $1 ${x} \\ {PLAIN}x <ü>"


@pytest.fixture
def desk(lab: Lab) -> MailHost:
    desk = MailHost(lab.host(HUB, DOVECOT))
    desk("sasl", "add", ACCOUNT)
    return desk


def started(desk: MailHost, *options: str) -> Dovecot:
    desk.equip("dovecot-hub", *options)
    assert "ok" in desk("mta", "check", "dovecot-hub", *options)
    dovecot = Dovecot(desk.host)
    dovecot.start(SOCKET)
    return dovecot


def secret(desk: MailHost, account: str = ACCOUNT) -> str:
    return desk("sasl", "show", account, "--reveal").removesuffix("\n")


SCHEMES = {
    "SCRAM-SHA-256": (),
    "SHA512-CRYPT": ("--with", "sha512-crypt"),
    "ARGON2ID": ("--with", "argon2id"),
    "PLAIN.b64": ("--with", "clear"),
}


def test_each_scheme_lets_the_account_in_and_nobody_else(desk: MailHost) -> None:
    desk("sasl", "add", "tuba", "--password", "stdin:", stdin=TORTURE + "\n")
    right = secret(desk)
    dovecot = started(desk, "--plaintext")
    for scheme, options in SCHEMES.items():
        desk("mta", "apply", "dovecot-hub", "--plaintext", *options, "--run")
        assert desk.host.path(USERS).read_text().count(f":{{{scheme}}}") == 4
        assert dovecot.lets_in(SOCKET, ACCOUNT, right), desk.host.log.lines
        assert dovecot.lets_in(SOCKET, f"{ACCOUNT}@{HUB}", right)
        assert dovecot.lets_in(SOCKET, "tuba", TORTURE)
        assert not dovecot.lets_in(SOCKET, ACCOUNT, right + "x")
        assert not dovecot.lets_in(SOCKET, f"{ACCOUNT}@example.org", right)


def _lay(unpacked: Path, layer: Path) -> None:
    EXIM.lay(unpacked, layer)
    DOVECOT.lay(unpacked, layer)


def test_hub_exim_asks_dovecot_by_scram(lab: Lab) -> None:
    """Sendmail's SASL library is the client, so a second implementation judges the verifier."""
    hub = EximHub(lab, software=Software((*EXIM.packages, *DOVECOT.packages), _lay))
    hub.equip("dovecot-hub", "--with", "exim")
    Dovecot(hub.host).start("/var/spool/exim4/dovecot.auth-client")
    hub.start("--with", "dovecot", "--mechanism", "SCRAM-SHA-256")
    client = SendmailClient(lab, hub)
    assert "stat=Sent" in client.send(), hub.host.log.lines
    hub.host.log.wait(rf"<= {SENDER} .* P=esmtpsa .*A=smtpcreds_scram_sha_256:{ACCOUNT}")
    assert lab.sink.receive().recipients == (FOREIGN,)
    hub("sasl", "delete", ACCOUNT)
    hub("mta", "apply", "dovecot-hub", "--with", "exim", "--run")
    assert "dsn=5" in client.send()


def _lay_postfix(unpacked: Path, layer: Path) -> None:
    POSTFIX.lay(unpacked, layer)
    DOVECOT.lay(unpacked, layer)


def test_hub_postfix_asks_dovecot_inside_tls_only(lab: Lab) -> None:
    hub = MailHost(lab.host(HUB, Software((*POSTFIX.packages, *DOVECOT.packages), _lay_postfix)))
    postfix = Postfix(hub.host)
    hub("setup", HUB, "--no-passphrase")
    postfix.configure()
    hub.equip("dovecot-hub", "--plaintext")
    include = hub.equip("postfix-hub", "--plaintext", "--with", "dovecot")["include"]
    postfix.configure("".join(f"{line}\n" for i in include for line in i["lines"]))
    postfix.start()
    Dovecot(hub.host).start(SOCKET)
    context = ssl.create_default_context(cafile=hub.host.path("/etc/mail/certs/cacert.pem"))
    for right in (True, False):
        with hub.host.namespace.network(), smtplib.SMTP(hub.host.address, 25) as session:
            session._host = HUB  # type: ignore[attr-defined]
            session.ehlo()
            assert not session.has_extn("auth")
            session.starttls(context=context)
            session.ehlo()
            assert set(session.esmtp_features["auth"].split()) == {"SCRAM-SHA-256", "PLAIN", "LOGIN"}
            password = secret(hub) if right else "wrong"
            said = b64encode(f"\0{ACCOUNT}\0{password}".encode()).decode()
            assert session.docmd("AUTH", f"PLAIN {said}")[0] == (235 if right else 535), hub.host.log.lines


def test_a_second_apply_changes_nothing_and_a_changed_account_follows(desk: MailHost) -> None:
    desk("sasl", "add", "tuba")
    desk("sasl", "add", "hashed", "--hashed", "--password", "stdin:", stdin="geheimnis ohne Wert\n")
    options = ("--plaintext", "--with", "argon2id")
    dovecot = started(desk, *options)
    before = desk.host.path(USERS).read_text().splitlines()
    assert not json.loads(desk("--json", "mta", "apply", "dovecot-hub", *options))["changed"]
    assert desk.host.run(("stat", "-c", "%a %U:%G", USERS)) == "640 root:dovecot\n"
    assert dovecot.lets_in(SOCKET, "hashed", "geheimnis ohne Wert")

    old = secret(desk)
    desk("sasl", "passwd", ACCOUNT)
    desk("sasl", "delete", "tuba")
    assert "now it would be different" in desk.refused("mta", "check", "dovecot-hub", *options)
    desk("mta", "apply", "dovecot-hub", *options, "--run")
    after = desk.host.path(USERS).read_text().splitlines()
    assert {line.partition(":")[0] for line in set(after) - set(before)} == {ACCOUNT, f"{ACCOUNT}@{HUB}"}
    assert dovecot.lets_in(SOCKET, ACCOUNT, secret(desk))
    assert not dovecot.lets_in(SOCKET, ACCOUNT, old)
    assert not dovecot.lets_in(SOCKET, "tuba", old)


def test_what_can_not_be_served_is_refused_by_name(desk: MailHost) -> None:
    assert "stored as SHA512-CRYPT (--with sha512-crypt): supports only" in desk.refused(
        "mta", "apply", "dovecot-hub", "--with", "sha512-crypt"
    )
    both = ("--with", "clear", "--with", "argon2id")
    assert "choose one" in desk.refused("mta", "apply", "dovecot-hub", *both)
    desk("sasl", "add", "Tuba")
    assert f"Tuba@{HUB}: has a name with capitals" in desk.refused("mta", "apply", "dovecot-hub")
    desk("sasl", "delete", "Tuba")
    words = ("sasl", "add", "horn", "--hashed", "--scram", "SCRAM-SHA-512", "--password", "stdin:")
    desk(*words, stdin="geheimnis ohne Wert\n")
    complaint = desk.refused("mta", "apply", "dovecot-hub")
    assert f"horn@{HUB}: has neither clear text nor a verifier for SCRAM-SHA-256 or SCRAM-SHA-1" in complaint


def test_an_import_lets_in_whom_dovecot_lets_in(desk: MailHost) -> None:
    """Cyrus SASL knows no networks; nologin stops IMAP and POP3 only."""
    right, dovecot = secret(desk), started(desk, "--plaintext")
    field = desk.host.path(USERS).read_text().partition(":")[2].partition("\n")[0]
    extra = {"tuba": "nologin", "horn": "nologin=y", "flute": "allow_nets=192.0.2.0/24", "drum": "x=y"}
    lines = [f"{name}:{field}::::::{words}\n" for name, words in extra.items()]
    with desk.host.path(USERS).open("a") as users:
        users.writelines(lines)
    desk("sasl", "import", "-", "--as", "dovecot", "--skip-bad", stdin="".join(lines))
    there = desk("sasl", "list")
    for name in extra:
        assert dovecot.lets_in(SOCKET, name, right) is (f"{name}@{HUB}" in there), name
