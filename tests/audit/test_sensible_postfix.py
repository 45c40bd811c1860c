"""Configurations of Postfix that work, as administrators have them: nothing is found."""

import re
import subprocess
from pathlib import Path

import pytest
from admin import HUB

from smtpcreds.mta.postfix_tables import patterns

from .broken_postfix import OWN_ADDRESS
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
mynetworks = 127.0.0.0/8 [::1]/128 10.0.0.0/8 192.0.2.0/24 [fd00::]/8
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
OWN_RECIPIENTS = """\
relay_domains = example.org
virtual_alias_domains = texthash:/etc/postfix/own_domains
smtpd_relay_restrictions = check_recipient_access texthash:/etc/postfix/own_recipients,
    permit_sasl_authenticated, reject_unauth_destination
"""
DEBIAN = """\
smtpd_banner = $myhostname ESMTP $mail_name (Debian/GNU)
biff = no
append_dot_mydomain = no
readme_directory = no
compatibility_level = 3.6
smtp_tls_session_cache_database = btree:${data_directory}/smtp_scache
smtpd_relay_restrictions = permit_mynetworks permit_sasl_authenticated defer_unauth_destination
alias_maps = hash:/etc/aliases
alias_database = hash:/etc/aliases
mydestination = $myhostname, dmzmail.polkatistas.org, localhost.polkatistas.org, , localhost
mynetworks = 127.0.0.0/8 [::ffff:127.0.0.0]/104 [::1]/128
mailbox_size_limit = 0
recipient_delimiter = +
inet_interfaces = all
inet_protocols = all
"""
MAILBOXES = """\
compatibility_level = 3.6
mydestination = localhost
virtual_mailbox_domains = ldap:/etc/postfix/ldap-domains.cf
virtual_mailbox_maps = ldap:/etc/postfix/ldap-mailboxes.cf
virtual_alias_maps = ldap:/etc/postfix/ldap-aliases.cf
virtual_transport = lmtp:unix:private/dovecot-lmtp
smtpd_sender_login_maps = ldap:/etc/postfix/ldap-senders.cf
smtpd_sender_restrictions = reject_authenticated_sender_login_mismatch, permit_mynetworks,
    permit_sasl_authenticated, reject_unknown_sender_domain
smtpd_recipient_restrictions = check_recipient_access ldap:/etc/postfix/ldap-quota.cf
"""
ISPCONFIG = """\
compatibility_level = 2
mynetworks = 127.0.0.0/8 [::1]/128
virtual_alias_domains = proxy:mysql:/etc/postfix/mysql-virtual_alias_domains.cf
virtual_alias_maps = hash:/var/lib/mailman/data/virtual-mailman,
    proxy:mysql:/etc/postfix/mysql-virtual_forwardings.cf,
    proxy:mysql:/etc/postfix/mysql-virtual_email2email.cf
virtual_mailbox_domains = proxy:mysql:/etc/postfix/mysql-virtual_domains.cf
virtual_mailbox_maps = proxy:mysql:/etc/postfix/mysql-virtual_mailboxes.cf
virtual_transport = lmtp:unix:private/dovecot-lmtp
sender_bcc_maps = proxy:mysql:/etc/postfix/mysql-virtual_outgoing_bcc.cf
smtpd_restriction_classes = greylisting
greylisting = check_policy_service inet:127.0.0.1:10023
smtpd_recipient_restrictions = permit_mynetworks, permit_sasl_authenticated,
    reject_unknown_recipient_domain, reject_non_fqdn_recipient, reject_unauth_destination,
    check_recipient_access proxy:mysql:/etc/postfix/mysql-virtual_recipient.cf,
    check_policy_service unix:private/quota-status
smtpd_sender_restrictions = permit_mynetworks,
    check_sender_access proxy:mysql:/etc/postfix/mysql-virtual_sender.cf,
    permit_sasl_authenticated, reject_non_fqdn_sender, reject_unlisted_sender
smtpd_client_restrictions = check_client_access proxy:mysql:/etc/postfix/mysql-virtual_client.cf,
    permit_inet_interfaces, permit_mynetworks, permit_sasl_authenticated, reject_unauth_pipelining, permit
smtpd_helo_required = yes
smtpd_helo_restrictions = permit_mynetworks, check_helo_access regexp:/etc/postfix/helo_access,
    permit_sasl_authenticated, reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname
transport_maps = proxy:mysql:/etc/postfix/mysql-virtual_transports.cf
relay_domains = proxy:mysql:/etc/postfix/mysql-virtual_relaydomains.cf
relay_recipient_maps = proxy:mysql:/etc/postfix/mysql-virtual_relayrecipientmaps.cf
smtpd_sender_login_maps = proxy:mysql:/etc/postfix/mysql-virtual_sender_login_maps.cf
proxy_read_maps = $local_recipient_maps $mydestination $virtual_alias_maps $smtpd_sender_login_maps
header_checks = regexp:/etc/postfix/header_checks
body_checks = regexp:/etc/postfix/body_checks
mime_header_checks = regexp:/etc/postfix/mime_header_checks
dovecot_destination_recipient_limit = 1
message_size_limit = 0
smtp_tls_exclude_ciphers = RC4, aNULL
smtpd_tls_exclude_ciphers = RC4, aNULL
smtpd_forbid_bare_newline = yes
"""
IREDMAIL = """\
compatibility_level = 2
mynetworks = 127.0.0.1 [::1]
smtp_tls_security_level = may
relayhost =
sender_dependent_relayhost_maps = proxy:mysql:/etc/postfix/mysql/sender_dependent_relayhost_maps.cf
transport_maps = proxy:mysql:/etc/postfix/mysql/transport_maps_user.cf,
    proxy:mysql:/etc/postfix/mysql/transport_maps_domain.cf
relay_domains = $mydestination, proxy:mysql:/etc/postfix/mysql/relay_domains.cf
virtual_mailbox_domains = proxy:mysql:/etc/postfix/mysql/virtual_mailbox_domains.cf
virtual_alias_maps = proxy:mysql:/etc/postfix/mysql/virtual_alias_maps.cf
smtpd_sender_login_maps = proxy:mysql:/etc/postfix/mysql/sender_login_maps.cf
smtp_sasl_auth_enable = no
smtp_sasl_password_maps =
smtpd_reject_unlisted_recipient = yes
smtpd_reject_unlisted_sender = yes
smtpd_helo_required = yes
smtpd_helo_restrictions = permit_mynetworks, permit_sasl_authenticated,
    check_helo_access pcre:/etc/postfix/helo_access, reject_non_fqdn_helo_hostname,
    reject_unknown_helo_hostname
smtpd_sender_restrictions = reject_non_fqdn_sender, reject_unlisted_sender, permit_mynetworks,
    permit_sasl_authenticated, check_sender_access pcre:/etc/postfix/sender_access,
    reject_unknown_sender_domain
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination
smtpd_recipient_restrictions = reject_unknown_recipient_domain, reject_non_fqdn_recipient,
    reject_unlisted_recipient, check_policy_service inet:127.0.0.1:7777, permit_mynetworks,
    permit_sasl_authenticated, reject_unauth_destination, check_policy_service inet:127.0.0.1:12340
smtpd_data_restrictions = reject_unauth_pipelining
smtpd_tls_mandatory_protocols = >=TLSv1.2
tls_random_source = dev:/dev/urandom
smtp-amavis_destination_recipient_limit = 1
content_filter = smtp-amavis:[127.0.0.1]:10024
smtpd_forbid_bare_newline = normalize
smtpd_forbid_unauth_pipelining = yes
"""
MAILCOW = """\
compatibility_level = 3.7
mynetworks = 127.0.0.0/8 [::1]/128 172.22.1.0/24 [fd4d:6169:6c63:6f77::]/64
relayhost =
relay_domains = proxy:mysql:/opt/postfix/conf/sql/mysql_virtual_relay_domain_maps.cf
virtual_mailbox_domains = proxy:mysql:/opt/postfix/conf/sql/mysql_virtual_domains_maps.cf
virtual_alias_maps = proxy:mysql:/opt/postfix/conf/sql/mysql_virtual_alias_maps.cf
smtpd_sender_login_maps = proxy:mysql:/opt/postfix/conf/sql/mysql_virtual_sender_acl.cf
sender_dependent_default_transport_maps =
    proxy:mysql:/opt/postfix/conf/sql/mysql_sender_dependent_default_transport_maps.cf
transport_maps = pcre:/opt/postfix/conf/custom_transport.pcre,
    proxy:mysql:/opt/postfix/conf/sql/mysql_relay_ne.cf
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = proxy:mysql:/opt/postfix/conf/sql/mysql_sasl_passwd_maps_sender_dependent.cf
smtp_sasl_security_options =
smtp_sasl_mechanism_filter = plain, login
smtp_sender_dependent_authentication = yes
smtp_tls_security_level = dane
smtp_tls_policy_maps = proxy:mysql:/opt/postfix/conf/sql/mysql_tls_policy_override_maps.cf,
    socketmap:inet:postfix-tlspol:8642:QUERY
smtp_dns_support_level = dnssec
smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination
smtpd_sender_restrictions = check_sasl_access hash:/etc/postfix/check_sasl_access,
    reject_authenticated_sender_login_mismatch, permit_mynetworks, permit_sasl_authenticated,
    reject_unlisted_sender, reject_unknown_sender_domain
smtpd_recipient_restrictions = permit_sasl_authenticated, permit_mynetworks,
    check_recipient_access proxy:mysql:/opt/postfix/conf/sql/mysql_tls_enforce_in_policy.cf,
    reject_invalid_helo_hostname, reject_unauth_destination
smtpd_milters = inet:rspamd:9900
non_smtpd_milters = inet:rspamd:9900
milter_default_action = tempfail
smtpd_tls_eecdh_grade = auto
tls_high_cipherlist = ECDHE+AESGCM:DHE+AESGCM:ECDHE+CHACHA20
smtpd_discard_ehlo_keywords = chunking, silent-discard
smtpd_forbid_bare_newline = yes
"""
AROUND = r"""
mynetworks = 127.0.0.0/8, [::1]/128, !192.0.2.66, cidr:/etc/postfix/own_hosts, /etc/postfix/networks
smtpd_client_event_limit_exceptions = 127.0.0.1
smtpd_client_connection_rate_limit = 10
smtpd_client_connection_count_limit = 2
local_recipient_maps = proxy:unix:passwd.byname, $alias_maps
local_header_rewrite_clients = permit_mynetworks, permit_sasl_authenticated
smtpd_authorized_xclient_hosts = [::1], 127.0.0.1
virtual_alias_maps = pcre:/etc/postfix/identity, regexp:{{/^(.*)@old\.example\.org$$/ $$1@example.org}}
canonical_maps = regexp:{{/^(.*)@(.*)$$/ $$1@$${2}}}
sender_canonical_maps = static:relay@polkatistas.org
header_checks = regexp:{{/^Subject:/ FILTER smtp-amavis:[127.0.0.1]:10024}
    {/^Received: from friend/ REDIRECT me}}
message_reject_characters = \0
message_strip_characters = \0
smtp_bind_address = 192.0.2.10
hopcount_limit = 20
smtp_dns_reply_filter = regexp:{{/ AAAA / IGNORE}}
default_transport = smtp
maillog_file = /var/log/mail.log
smtpd_restriction_classes = friends, nobody_else
friends = permit
nobody_else =
smtpd_helo_restrictions = texthash:/etc/postfix/actions, regexp:{{/^friend$$/ friends} {/./ DUNNO}}
smtpd_tls_protocols = !SSLv2 !SSLv3, >=TLSv1.2
smtpd_tls_mandatory_protocols = >=0x0303
smtpd_noop_commands = regexp:{{/^XCLIENT$$/ x}}
inet_interfaces = 127.0.0.1, 192.0.2.10, [::1]
inet_protocols = ipv4
proxy_interfaces = 198.51.100.1
smtp_sasl_auth_cache_name = proxy:btree:/var/lib/postfix/sasl_auth_cache
smtpd_sender_restrictions = permit_sasl_authenticated, check_sender_access pcre:/etc/postfix/sender_access,
    reject_rbl_client zen.spamhaus.org=127.0.0.[2..11],
    check_policy_service { inet:127.0.0.1:10023, timeout=10s, default_action=DUNNO }
"""
OF_310 = """\
smtpd_forbid_bare_newline = reject
smtpd_forbid_bare_newline_exclusions = $mynetworks
smtpd_forbid_bare_newline_reject_code = 550
smtpd_forbid_unauth_pipelining = yes
smtpd_reject_footer_maps =
tls_config_file = default
tls_config_name = postfix
smtp_tlsrpt_enable = yes
smtp_tlsrpt_socket_name = run/tlsrpt/tlsrpt.sock
smtp_tlsrpt_skip_reused_handshakes = yes
smtp_tls_enforce_sts_mx_patterns = yes
force_mime_input_conversion = no
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
    "own_domains": "example.net anything\n",
    "own_recipients": "example.org OK\nlist@example.net OK\n"
    "abuse@attic.polkatistas.org OK\nexample.com REJECT\n",
    "check_sasl_access": "mailbox@polkatistas.org REJECT\n",
    "check_sasl_access.db": "",
    "helo_access": "/^friend$/ REJECT\n/^192\\.0\\.2\\./ REJECT\n",
    "sender_access": "/@spam\\.example$/ REJECT\n",
    "header_checks": "/^X-Spam: yes/ DISCARD\n",
    "body_checks": "/^bad words$/ REJECT\n",
    "actions": f"{HUB} REJECT that is me\npolkatistas.org permit_sasl_authenticated, INFO one of us\n",
    "networks": "203.0.113.0/24\n",
    "identity": "/^(.+)$/ $1\n",
    "dynamicmaps.cf": "# packages\n" + "".join(f"{kind}\tx.so\tx\n" for kind in ("pcre", "ldap", "mysql")),
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
    "own recipients by a table": (OWN_RECIPIENTS, ""),
    "Debian's own": (DEBIAN, ""),
    "parameters of 3.9 and 3.10": (OF_310, ""),
    "lists, addresses and limits": (AROUND, AMAVIS + "postlog unix-dgram n - n - 1 postlogd\n"),
    "all at once": (AGAINST_SPAM + MODERN_TLS + FILTERS + BOTH_WAYS, AMAVIS + SUBMISSION),
}


def made(root: Path, main: str, services: str = "", master: str = PLAIN_MASTER) -> Host:
    host = postfix(root)
    for name, text in TABLES.items():
        host.write(f"/etc/postfix/{name}", text)
    host.write("/proc/net/fib_trie", OWN_ADDRESS)
    for path in re.findall(r"(/\S+\.cf)\b", main):
        host.write(path, "hosts = localhost\n")
    host.write(MAIN, host.path(MAIN).read_text() + main)
    host.write(MASTER, master + services)
    return host


@pytest.mark.parametrize("name", CASES)
def test_what_works_is_no_finding(tmp_path: Path, name: str) -> None:
    host = made(tmp_path, *CASES[name])
    assert host.findings("MTA") == []


HOSTED = {
    "mailboxes and LDAP": (
        MAILBOXES,
        SUBMISSION,
        {"smtpd_sender_login_maps", "smtpd_recipient_restrictions"},
    ),
    "as ISPConfig": (
        ISPCONFIG,
        SUBMISSION,
        {
            *("smtpd_client_restrictions", "smtpd_sender_restrictions", "smtpd_recipient_restrictions"),
            *("transport_maps", "relay_domains", "smtpd_sender_login_maps"),
        },
    ),
    "as iRedMail": (
        IREDMAIL,
        SUBMISSION + AMAVIS,
        {"sender_dependent_relayhost_maps", "transport_maps", "relay_domains", "smtpd_sender_login_maps"},
    ),
    "as Mailcow": (
        MAILCOW,
        SUBMISSION,
        {
            *("smtp_sasl_password_maps", "smtp_tls_policy_maps", "transport_maps", "relay_domains"),
            *("sender_dependent_default_transport_maps", "smtpd_sender_login_maps"),
            "smtpd_recipient_restrictions",
        },
    ),
}


@pytest.mark.parametrize("name", HOSTED)
def test_what_hosts_with_databases_have_is_noted_as_unread_alone(tmp_path: Path, name: str) -> None:
    main, services, unread = HOSTED[name]
    host = made(tmp_path, main, services)
    for kind, path in re.findall(r"\b(hash|regexp|pcre):(/[^\s,]+)", main):
        host.write(path + ".db" * (kind == "hash"), "")
    noted = host.findings("MTA")
    found = [f for f in noted if f.code != "MTA144"]
    assert len(noted) - len(found) == (name == "as iRedMail"), "asks a policy server before it permits"
    assert {f.code for f in found} == {"MTA141"}, found
    assert {f.message.partition(",")[0].split(" in ")[1] for f in found} == unread


def test_what_strangers_claim_counts_where_nothing_else_refuses_them(tmp_path: Path) -> None:
    host = made(tmp_path, OLD_ORDER + "smtpd_relay_restrictions =\n")
    assert {f.code for f in host.findings("MTA")} == {"MTA132"}


@pytest.mark.parametrize("expression", ["[[:digit:]]+", "a{99999999999}", "(" * 3000 + ")" * 3000], ids=len)
def test_a_pattern_that_python_reads_otherwise_is_taken_for_unread(expression: str) -> None:
    assert len(patterns(f"/^{re.escape(expression)}$/ OK\n")) == 1
    assert patterns(f"/^[0-9]+$/ OK\n/{expression}/ OK\n") == ()


def test_lines_of_a_table_in_the_parameter_itself(tmp_path: Path) -> None:
    """Braces within braces are one word; a part of them was looked for as a file."""
    host = made(
        tmp_path, "header_checks = pcre:{{/^X-Polka:/ IGNORE} {/^Subject: polka$/ REJECT}}, static:DUNNO\n"
    )
    assert not host.findings("MTA", "AUDIT")


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
