"""Configurations of Postfix that work, as administrators have them: nothing is found."""

import subprocess
from pathlib import Path

import pytest

from .scene import MAIN, MASTER, SMTPD_CONF, Host, postfix

PLAIN_MASTER = """\
smtp      inet  n       -       n       -       -       smtpd
cleanup   unix  n       -       y       -       0       cleanup
tlsmgr    unix  -       -       y       1000?   1       tlsmgr
smtp      unix  -       -       y       -       -       smtp
relay     unix  -       -       y       -       -       smtp -o syslog_name=postfix/$service_name
"""
SUBMISSION = """\
submission inet n       -       n       -       -       smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_tls_auth_only=yes
  -o smtpd_client_restrictions=permit_sasl_authenticated,reject
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o milter_macro_daemon_name=ORIGINATING
"""
AMAVIS = """\
smtp-amavis unix -      -       y       -       2       smtp -o smtp_send_xforward_command=yes
127.0.0.1:10025 inet n  -       y       -       -       smtpd
  -o content_filter=
  -o smtpd_relay_restrictions=permit_mynetworks,reject
  -o smtpd_client_restrictions=permit_mynetworks,reject
  -o smtpd_tls_security_level=none
  -o smtpd_milters=
"""
POSTSCREEN = """\
smtp      inet  n       -       y       -       1       postscreen
smtpd     pass  -       -       n       -       -       smtpd
tlsproxy  unix  -       -       y       -       0       tlsproxy
dnsblog   unix  -       -       y       -       0       dnsblog
"""
AGAINST_SPAM = """\
mynetworks = 127.0.0.0/8 [::1]/128 10.0.0.0/8 192.0.2.0/24 fd00::/8
smtpd_helo_required = yes
disable_vrfy_command = yes
strict_rfc821_envelopes = yes
smtpd_client_restrictions = permit_mynetworks, permit_sasl_authenticated,
    check_client_access cidr:/etc/postfix/blocked, reject_unknown_reverse_client_hostname,
    reject_rbl_client zen.spamhaus.org
smtpd_helo_restrictions = permit_mynetworks, permit_sasl_authenticated,
    check_helo_access texthash:/etc/postfix/own_names, reject_invalid_helo_hostname,
    reject_non_fqdn_helo_hostname
smtpd_sender_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_non_fqdn_sender,
    reject_unknown_sender_domain
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = reject_non_fqdn_recipient, permit_mynetworks, permit_sasl_authenticated,
    reject_unauth_destination, check_sender_access texthash:/etc/postfix/friends,
    check_policy_service inet:127.0.0.1:10023, permit
smtpd_data_restrictions = reject_unauth_pipelining, reject_multi_recipient_bounce
smtpd_client_message_rate_limit = 100
"""
OLD_ORDER = """\
smtpd_recipient_restrictions = check_sender_access texthash:/etc/postfix/friends,
    check_client_access cidr:/etc/postfix/blocked, permit_mynetworks, permit_sasl_authenticated,
    reject_unauth_destination
"""
OWN_HOSTS = """\
smtpd_client_restrictions = check_client_access cidr:/etc/postfix/own_hosts, reject
smtpd_relay_restrictions = check_sasl_access texthash:/etc/postfix/who, reject_unauth_destination
"""
MODERN_TLS = """\
smtpd_tls_mandatory_protocols = !SSLv2, !SSLv3, !TLSv1, !TLSv1.1
smtpd_tls_protocols = >=TLSv1.2
smtpd_tls_mandatory_ciphers = high
smtpd_tls_ciphers = medium
smtpd_tls_exclude_ciphers = aNULL, eNULL, EXPORT, DES, RC4, MD5, PSK, aECDH, KRB5-DES, CBC3-SHA, EDH-RSA-DES
tls_medium_cipherlist = ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES128-GCM-SHA256
tls_high_cipherlist = EECDH+AESGCM:EDH+AESGCM:EECDH+CHACHA20
tls_preempt_cipherlist = yes
tls_ssl_options = NO_COMPRESSION, NO_RENEGOTIATION
tls_random_source = dev:/dev/urandom
smtpd_tls_eecdh_grade = auto
"""
FILTERS = """\
smtpd_milters = inet:localhost:11332, { unix:opendkim/opendkim.sock, default_action=accept }
non_smtpd_milters = $smtpd_milters
milter_default_action = accept
milter_protocol = 6
content_filter = smtp-amavis:[127.0.0.1]:10024
smtpd_command_filter = pcre:/etc/postfix/command_filter
smtpd_noop_commands = VRFY
smtpd_forbidden_commands = CONNECT, GET, POST, regexp:{{/^[^A-Z]/ Bogus}}
"""
OWNERS = """\
smtpd_sasl_local_domain = dmzmail.polkatistas.org
smtpd_sender_login_maps = texthash:/etc/postfix/owners
smtpd_sender_restrictions = reject_sender_login_mismatch
"""
BY_CONDITION = """\
compatibility_level = 3.6
smtpd_relay_restrictions = ${{$compatibility_level} <level {1} ? {} :
    {permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination}}
smtpd_sasl_security_options = ${smtpd_tls_auth_only?noanonymous}
"""
BOTH_WAYS = """\
smtp_tls_policy_maps = texthash:/etc/postfix/tls_policy
transport_maps = texthash:/etc/postfix/transport
smtp_discard_ehlo_keyword_address_maps = cidr:/etc/postfix/no_chunking
smtp_discard_ehlo_keywords = chunking, silent-discard
smtp_tls_fingerprint_digest = sha256
"""
TABLES = {
    "blocked": "198.51.100.0/24 REJECT spam\n0.0.0.0/8 REJECT\n",
    "own_names": "dmzmail.polkatistas.org REJECT that is me\npolkatistas.org REJECT that is us\n",
    "friends": "friend@example.org OK\nexample.com permit_auth_destination\nnobody@ REJECT\n",
    "own_hosts": "192.0.2.0/24 OK\n",
    "who": "maildroid@dmzmail.polkatistas.org OK\n",
    "command_filter": "/^(AUTH|STARTTLS|EHLO)\\b(.*)$/ $1$2\n/^RCPT TO:\\s*<'(.*)'>(.*)/ RCPT TO:<$1>$2\n",
    "owners": "@polkatistas.org maildroid@dmzmail.polkatistas.org, someone@else.example\n",
    "tls_policy": "[mx.example.net]:587 secure match=mx.example.net ciphers=high protocols=>=TLSv1.2\n"
    "example.org none\n",
    "transport": "example.org smtp:[mx.example.org]\n",
    "no_chunking": "192.0.2.25 chunking, silent-discard\n",
}
CASES = {
    "against spam": (AGAINST_SPAM, ""),
    "tables before who logged in, behind relay restrictions": (OLD_ORDER, ""),
    "hosts and accounts by tables": (OWN_HOSTS, ""),
    "ciphers of today": (MODERN_TLS, ""),
    "milters, a filter of content and commands": (FILTERS, AMAVIS),
    "owners of addresses": (OWNERS, ""),
    "values by a condition": (BY_CONDITION, ""),
    "tables of a client": (BOTH_WAYS, ""),
    "all at once": (AGAINST_SPAM + MODERN_TLS + FILTERS + BOTH_WAYS, AMAVIS + SUBMISSION),
}


def made(root: Path, main: str, services: str = "", master: str = PLAIN_MASTER) -> Host:
    host = postfix(root)
    for name, text in TABLES.items():
        host.write(f"/etc/postfix/{name}", text)
    host.write(MAIN, host.path(MAIN).read_text() + main)
    host.write(MASTER, master + services)
    return host


@pytest.mark.parametrize("name", CASES)
def test_what_works_is_no_finding(tmp_path: Path, name: str) -> None:
    host = made(tmp_path, *CASES[name])
    assert host.findings("MTA") == []


def test_what_strangers_claim_counts_where_nothing_else_refuses_them(tmp_path: Path) -> None:
    host = made(tmp_path, OLD_ORDER + "smtpd_relay_restrictions =\n")
    assert {f.code for f in host.findings("MTA")} == {"MTA132"}


def test_postscreen_before_strangers_alone(tmp_path: Path) -> None:
    rest = PLAIN_MASTER.partition("\n")[2]
    deep = "postscreen_bare_newline_enable = yes\npostscreen_pipelining_enable = yes\n"
    host = made(tmp_path, deep + "smtpd_sasl_auth_enable = no\n", SUBMISSION, POSTSCREEN + rest)
    with host.path("/etc/smtpcreds/smtpcreds.toml").open("a") as file:
        file.write("[mta]\nport = 587\n")
    assert host.findings("MTA") == []


def test_accounts_that_dovecot_checks(tmp_path: Path) -> None:
    host = made(tmp_path, "smtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth\n")
    host.path(SMTPD_CONF).unlink()
    host.path("/var/spool/postfix/private").mkdir(parents=True)
    subprocess.run(["mkfifo", host.path("/var/spool/postfix/private/auth")], check=True)
    assert host.findings("MTA") == []
