"""The forms in which Dovecot takes one setting: each is read, and the cure finds its lines."""

import subprocess
from pathlib import Path

import pytest
from admin import CERTS

from . import shell
from .scene import DOVECOT, Host, dovecot, dovecot_2_4
from .test_sensible_dovecot import FOR_POSTFIX, OUR_PASSDB, newly

OLD, NEW = "2.3", "2.4"
SUBMITS = "protocols = submission\nsubmission_relay_host = mx.example.org\nsubmission_relay_ssl = starttls\n"
CA = "/etc/ssl/certs/ca-certificates.crt"
TRUSTS = f"ssl_client_ca_file = {CA}\n"
CLEAR = {OLD: "disable_plaintext_auth = no\nssl = yes\n", NEW: "auth_allow_cleartext = yes\nssl = yes\n"}
WANTS = "auth_ssl_require_client_cert"
LISTENER = FOR_POSTFIX.replace("    ", "    unix_listener_")
SOCKET = "/var/spool/postfix/private/auth"
LABELLED = FOR_POSTFIX.replace(f"{SOCKET} {{", f"x {{\n    path = {SOCKET}")
QUOTED = FOR_POSTFIX.replace("service auth", 'service "auth"').replace(SOCKET, f'"{SOCKET}"')
LOCALLY = "local 192.0.2.1 {\n  protocol submission {\n    submission_relay_ssl = no\n  }\n}\n"
ANY = "ssl_client {\n    require_valid_cert = no\n  }\n"
STOPS = "passdb {\n  driver = pam\n  result_failure = return-fail\n}\n"
GOES_ON = "passdb {\n  driver = shadow\n  result_failure = continue\n}\n"
FIRST, LAST = STOPS.replace("db {", "db first {"), GOES_ON.replace("db {", "db last {")
GROUP = "group @g x {{\n  {}\n}}\n"
IN_SUBMISSION = "protocol submission {\n  @g = x\n}\n"
TWICE = "protocol submission {\n  submission_relay_ssl = starttls\n  submission_relay_ssl = no\n}\n"
MORE = "auth_mechanisms = \\\n  plain\nauth_mechanisms = $auth_mechanisms cram-md5\n"
HERE = subprocess.run(["dovecot", "--version"], check=True, capture_output=True, text=True).stdout[:3]
ROWS = [
    (NEW, "MTA307", SUBMITS + TRUSTS + ANY),
    (NEW, "MTA307", SUBMITS + TRUSTS + "ssl_client {\n  ssl_client_require_valid_cert = NO\n}\n"),
    (NEW, "MTA307", SUBMITS + TRUSTS + "ssl_client/require_valid_cert = no\n"),
    (NEW, "MTA307", SUBMITS + TRUSTS + f"protocol submission {{\n  {ANY}}}\n"),
    (NEW, "MTA307", SUBMITS + TRUSTS + LOCALLY),
    (OLD, "MTA307", SUBMITS + TRUSTS + LOCALLY),
    (OLD, "MTA307", SUBMITS + TRUSTS + 'submission_relay_ssl = "no"\n'),
    (OLD, "MTA307", SUBMITS + TRUSTS + "submission_relay_ssl_verify = No\n"),
    (NEW, "MTA308", SUBMITS + "ssl_client {\n  ca_file = /etc/dovecot/empty.pem # none\n}\n"),
    (NEW, "MTA308", SUBMITS + "ssl_client {\n  ca_file = \\\n    /etc/dovecot/empty.pem\n}\n"),
    (NEW, "MTA307", SUBMITS + TRUSTS + TWICE),
    (OLD, "MTA307", SUBMITS + TRUSTS + TWICE),
    (NEW, "MTA307", SUBMITS + TRUSTS + GROUP.format(ANY) + IN_SUBMISSION),
    (NEW, "MTA307", SUBMITS + TRUSTS + "@ssl = client\ngroup @ssl client {\n  require_valid_cert = no\n}\n"),
    (NEW, "MTA307", SUBMITS + TRUSTS + GROUP.format("submission_relay_ssl = no") + IN_SUBMISSION),
    (
        NEW,
        "MTA308",
        SUBMITS + GROUP.format("ssl_client_ca_file = /etc/dovecot/empty.pem") + "ssl_client {\n  @g = x\n}\n",
    ),
    (
        NEW,
        "MTA301",
        "ssl = yes\n"
        + GROUP.format("auth_allow_cleartext = yes")
        + "protocol imap {\n  @g = x # for now\n}\n",
    ),
    (
        NEW,
        "MTA305",
        FOR_POSTFIX + GROUP.format("service_chroot = /var/empty") + "service auth {\n  @g = x\n}\n",
    ),
    (OLD, "MTA301", CLEAR[OLD] + 'auth_mechanisms = "plain login"\n'),
    (OLD, "MTA301", CLEAR[OLD] + MORE),
    (OLD, "MTA301", CLEAR[OLD].replace("= no", "= No # for now")),
    (NEW, "MTA301", CLEAR[NEW].replace("yes\nssl", "Y\nssl")),
    (NEW, "MTA301", CLEAR[NEW] + 'auth_mechanisms = "plain" login\n'),
    (NEW, "MTA301", CLEAR[NEW] + "auth_mechanisms = cram-md5\nauth_mechanisms/plain = yes\n"),
    (OLD, "MTA302", LABELLED + f"{WANTS} = 1\n"),
    (NEW, "MTA302", LABELLED + f"{WANTS} = y\n"),
    (NEW, "MTA302", LISTENER + f"{WANTS} = Yes\n"),
    (OLD, "MTA302", QUOTED + f'{WANTS} = "yes"\n'),
    (NEW, "MTA302", QUOTED + f"{WANTS} = \\\n  yes\n"),
    (OLD, "MTA302", FOR_POSTFIX + STOPS + OUR_PASSDB + GOES_ON),
    (NEW, "MTA302", FOR_POSTFIX + newly(FIRST + OUR_PASSDB + LAST)),
    (NEW, "MTA305", FOR_POSTFIX + "service auth {\n  service_chroot = /var/empty\n}\n"),
    (NEW, "MTA305", FOR_POSTFIX + "service/auth/chroot = /var/empty\n"),
]
RIGHT = [
    (NEW, SUBMITS + f"ssl_client {{\n  ca_file = {CA}\n}}\n"),
    (NEW, SUBMITS + f"ssl_client/ca_file = {CA}\n"),
    (NEW, SUBMITS + TRUSTS + "protocol imap {\n  ssl_client {\n    require_valid_cert = no\n  }\n}\n"),
    (NEW, "ssl = yes\n" + GROUP.format("auth_allow_cleartext = yes")),
    (NEW, "ssl = yes\nauth_allow_cleartext = no\n" + GROUP.format("auth_allow_cleartext = yes") + "@g = x\n"),
    (NEW, f"{FOR_POSTFIX}{GROUP.format(f'{WANTS} = yes')}@g = x\n"),
    (
        NEW,
        SUBMITS
        + TRUSTS
        + GROUP.format(ANY)
        + GROUP.format(ANY.replace("no", "yes")).replace("@g", "@a")
        + "@a = x\n@g = x\n",
    ),
    (
        NEW,
        SUBMITS
        + TRUSTS
        + GROUP.format(ANY)
        + GROUP.format("auth_verbose = yes").replace(" x", " y")
        + "@g = x\n@g = y\n",
    ),
    (NEW, "protocols = submission\nprotocols {\n  submission = no\n}\n"),
    (OLD, "auth_ssl_require_client_cert = no # 'til they have one\n" + FOR_POSTFIX + OUR_PASSDB),
]


def made(root: Path, version: str, text: str) -> Host:
    host = {OLD: dovecot, NEW: dovecot_2_4}[version](root)
    host.write("/etc/dovecot/smtpcreds-users", "", 0o644)
    host.write("/etc/dovecot/empty.pem", "")
    certificate = host.path("/etc/mail/certs/cacert.pem").read_bytes()
    host.write(CA, certificate)
    with host.path(DOVECOT).open("a") as file:
        file.write(text)
    return host


def taken(host: Host, version: str, tmp_path: Path) -> bool:
    """Tell whether Dovecot takes a configuration; that of the other version is asked on the other Debian."""
    text = host.path(DOVECOT).read_text().replace("!include", "#")
    text = text.replace("2.4.0\n", "2.4.0\ndovecot_storage_version = 2.4.0\n", 1)
    for name in ("/etc/dovecot/empty", "/etc/dovecot/smtpcreds-relay-ca", f"{CERTS}/dmzmail-cert"):
        text = text.replace(f"{name}.pem", CA)
    (tmp_path / "taken.conf").write_text(text)
    if version != HERE:
        return True
    return subprocess.run(["doveconf", "-c", tmp_path / "taken.conf"], capture_output=True).returncode == 0


@pytest.mark.parametrize(("version", "code", "text"), ROWS)
def test_each_form_is_read_until_the_cure(tmp_path: Path, version: str, code: str, text: str) -> None:
    host = made(tmp_path / "root", version, text)
    assert taken(host, version, tmp_path)
    found = host.findings("MTA")
    assert [f.code for f in found] == [code]
    shell.type_line(host, shell.command(shell.printed(host, found[0])))
    assert host.findings("MTA") == []
    assert taken(host, version, tmp_path)


@pytest.mark.parametrize(("version", "text"), RIGHT)
def test_each_form_that_is_right_is_no_finding(tmp_path: Path, version: str, text: str) -> None:
    host = made(tmp_path / "root", version, text)
    assert taken(host, version, tmp_path)
    assert host.findings("MTA") == []
