"""Configurations of Dovecot that work, as administrators have them: nothing is found."""

import subprocess
from pathlib import Path

import pytest

from .scene import DOVECOT, Host, dovecot, dovecot_2_4

STOCK = Path("/usr/share/dovecot")
OUR_PASSDB = "passdb {\n  driver = passwd-file\n  args = /etc/dovecot/smtpcreds-users\n}\n"
FOR_POSTFIX = """\
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
"""
LMTP = """\
protocols = imap lmtp
mail_location = maildir:~/Maildir
auth_username_format = %Lu
service lmtp {
  unix_listener /var/spool/postfix/private/dovecot-lmtp {
    mode = 0600
    user = postfix
    group = postfix
  }
}
protocol lmtp {
  mail_plugins = $mail_plugins sieve
  auth_username_format = %Ln
}
protocol imap {
  mail_max_userip_connections = 50
}
userdb {
  driver = passwd
}
"""
LDAP = """\
passdb {
  driver = ldap
  args = /etc/dovecot/dovecot-ldap.conf.ext
  result_failure = continue
  result_internalfail = continue
}
userdb {
  driver = ldap
  args = /etc/dovecot/dovecot-ldap.conf.ext
}
passdb {
  driver = passwd-file
  deny = yes
  args = /etc/dovecot/deny-users
}
passdb {
  driver = passwd-file
  args = /etc/dovecot/master-users
  master = yes
  result_success = continue
}
auth_master_user_separator = *
"""
POLICY = """\
auth_policy_server_url = http://127.0.0.1:4001/
auth_policy_hash_nonce = localized_random_string
auth_cache_size = 10M
auth_cache_ttl = 1 hour
auth_failure_delay = 2 secs
auth_worker_max_count = 60
login_trusted_networks = 127.0.0.0/8
"""
SERVICES = """\
service auth {
  user = $default_internal_user
  unix_listener auth-userdb {
    mode = 0660
    user = vmail
  }
  inet_listener {
    address = 127.0.0.1
    port = 12345
  }
}
service auth-worker {
  user = root
}
service imap-login {
  inet_listener imap {
    port = 0
  }
  process_limit = 512
}
"""
SUBMISSION = """\
protocols = imap submission
submission_relay_host = localhost
submission_relay_port = 10587
submission_relay_trusted = yes
submission_max_mail_size = 50M
"""
TO_RELAY = """\
protocols = imap submission
submission_relay_host = mx.example.org
submission_relay_port = 465
submission_relay_ssl = smtps
submission_relay_user = front
submission_relay_password = polka
ssl_client_ca_dir = /etc/ssl/certs
"""
NAMES = """\
local_name imap.example.org {
  ssl_cert = </etc/mail/certs/dmzmail-cert.pem
  ssl_key = </etc/mail/certs/dmzmail-key.pem
}
ssl_min_protocol = TLSv1.2
ssl_cipher_list = ECDHE+AESGCM:DHE+AESGCM
ssl_prefer_server_ciphers = yes
"""
OLD, NEW = "2.3", "2.4"
SAID_NEWLY = (
    ("mail_location = maildir:~/Maildir", "mail_driver = maildir\nmail_path = ~/Maildir"),
    ("%Lu", "%{user | lower}"),
    ("%Ln", "%{user | username | lower}"),
    ("mail_plugins = $mail_plugins sieve", "mail_plugins {\n    sieve = yes\n  }"),
    ("userdb {\n  driver = passwd\n", "userdb passwd {\n"),
    (
        "db {\n  driver = ldap\n  args = /etc/dovecot/dovecot-ldap.conf.ext\n",
        "db ldap {\n  ldap_base = dc=example\n",
    ),
    ("passdb {\n  driver = passwd-file\n  deny", "passdb shut-out {\n  driver = passwd-file\n  deny"),
    (
        "passdb {\n  driver = passwd-file\n  args = /etc/dovecot/m",
        "passdb masters {\n  driver = passwd-file\n  args = /etc/dovecot/m",
    ),
    ("passdb {\n  driver = passwd-file\n", "passdb passwd-file {\n"),
    ("  args = /etc/dovecot/", "  passwd_file_path = /etc/dovecot/"),
    ("auth_worker_max_count = 60\n", ""),
    ("$default_internal_user", "$SET:default_internal_user"),
    ("inet_listener {\n    address", "inet_listener tcp {\n    listen"),
    ("ssl_cert = <", "ssl_server_cert_file = "),
    ("ssl_key = <", "ssl_server_key_file = "),
    ("ssl_prefer_server_ciphers = yes", "ssl_server_prefer_ciphers = server"),
)
"""What 2.3 says, and 2.4 otherwise, applied in this order."""
CASES = {
    "mailboxes by LMTP of Postfix": LMTP + FOR_POSTFIX + OUR_PASSDB,
    "LDAP, a list of those who are shut out, and masters": LDAP + FOR_POSTFIX + OUR_PASSDB,
    "a policy server, a cache, and local webmail": POLICY + FOR_POSTFIX + OUR_PASSDB,
    "services by users of their own": SERVICES + FOR_POSTFIX + OUR_PASSDB,
    "submission to the Postfix beside it": SUBMISSION,
    "submission to a relay server in TLS": TO_RELAY,
    "certificates by name": NAMES + FOR_POSTFIX + OUR_PASSDB,
    "all at once": LMTP + LDAP + POLICY + SERVICES + NAMES + FOR_POSTFIX + OUR_PASSDB,
}


def newly(text: str) -> str:
    for old, new in SAID_NEWLY:
        text = text.replace(old, new)
    return f"ldap_uris = ldap://ldap.example.org\n{text}" if "ldap_base" in text else text


def added(host: Host, text: str) -> Host:
    host.write("/etc/dovecot/smtpcreds-users", "", 0o644)
    with host.path(DOVECOT).open("a") as file:
        file.write(text)
    host.write("/etc/dovecot/dovecot-ldap.conf.ext", "base = dc=example\n", 0o600)
    return host


@pytest.mark.parametrize("name", CASES)
def test_what_works_is_no_finding(tmp_path: Path, name: str) -> None:
    said = {OLD: CASES[name], NEW: newly(CASES[name])}
    here = subprocess.run(["dovecot", "--version"], check=True, capture_output=True, text=True).stdout[:3]
    start = "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\n" if here == NEW else ""
    (tmp_path / "taken.conf").write_text(start + said[here].replace("/etc/mail/certs/", "/etc/ssl/certs/"))
    subprocess.run(["doveconf", "-nc", tmp_path / "taken.conf"], check=True, capture_output=True)
    assert added(dovecot(tmp_path / "2.3"), said[OLD]).findings("MTA") == []
    assert added(dovecot_2_4(tmp_path / "2.4"), said[NEW]).findings("MTA") == []


def test_debians_own_files_are_read_whole_and_nothing_is_found(tmp_path: Path) -> None:
    host = dovecot(tmp_path / "root")
    for file in (STOCK / "conf.d").iterdir():
        host.write(f"/etc/dovecot/conf.d/{file.name}", file.read_bytes())
    assert added(host, FOR_POSTFIX + OUR_PASSDB).findings("MTA") == []
    host.replace(
        "/etc/dovecot/conf.d/10-auth.conf", "#!include auth-deny.conf.ext", "!include auth-x.conf.ext"
    )
    host.write("/etc/dovecot/conf.d/auth-x.conf.ext", "passdb {\n driver = static\n args = nopassword=y\n}\n")
    found = host.findings("MTA")
    assert [f.code for f in found] == ["MTA303"]
    assert "conf.d/auth-x.conf.ext" in found[0].cure


def test_a_sample_that_is_not_included_is_not_what_a_cure_changes(tmp_path: Path) -> None:
    host = dovecot(tmp_path / "root")
    sample = "passdb {\n  driver = passwd-file\n  deny = yes\n  args = /etc/dovecot/deny-users\n}\n"
    host.write("/etc/dovecot/conf.d/auth-deny.conf.ext", sample)
    denied = OUR_PASSDB.replace("}", "  deny = yes\n}")
    found = added(host, FOR_POSTFIX + denied).findings("MTA302")
    assert str(host.path(DOVECOT)) in found[0].cure
