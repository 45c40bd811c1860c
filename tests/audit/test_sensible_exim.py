"""Configurations of Exim that work, as administrators have them: nothing is found."""

from pathlib import Path

import pytest
from admin import HUB
from lab import EXIM as SOFTWARE
from lab import Exim, Lab
from lab.exim import MACROS, SPLIT_MACROS

from .scene import EXIM, exim

MAIN = """\
primary_hostname = dmzmail.polkatistas.org
domainlist local_domains = @ : polkatistas.org
domainlist relay_to_domains = example.org
hostlist relay_from_hosts = 127.0.0.1 : ::1 : 192.0.2.0/24
tls_advertise_hosts = *
tls_certificate = /etc/mail/certs/dmzmail-cert.pem
tls_privatekey = /etc/mail/certs/dmzmail-key.pem
tls_try_verify_hosts = *
tls_verify_certificates = /etc/mail/certs/cacert.pem
daemon_smtp_ports = 25 : 465 : 587
tls_on_connect_ports = 465
acl_smtp_mail = acl_check_mail
acl_smtp_rcpt = acl_check_rcpt
acl_smtp_data = acl_check_data
message_size_limit = 50M
host_lookup = *
smtp_accept_max = 200
smtp_accept_max_per_host = 20
smtp_accept_reserve = 20
smtp_reserve_hosts = 192.0.2.0/24
ignore_bounce_errors_after = 2d
timeout_frozen_after = 7d
queue_only_load = 12
recipients_max = 500
never_users = root
"""
ACLS = """\
begin acl
acl_check_mail:
  accept authenticated = *
  deny condition = ${if eq{$sender_helo_name}{}}
    message = HELO first
  accept
acl_check_rcpt:
  accept hosts = :
    control = dkim_disable_verify
  deny message = Restricted characters in address
    domains = +local_domains
    local_parts = ^[.] : ^.*[@%!/|]
  accept local_parts = postmaster
    domains = +local_domains
  deny condition = ${if exists{/etc/exim4/denied}{${lookup{$sender_address}lsearch{/etc/exim4/denied}{1}{0}}}}
  deny condition = ${if and{{def:authenticated_id}{!eqi{$authenticated_id}{$sender_address_local_part}}}}
    sender_domains = polkatistas.org
  deny condition = ${if and{{eq{$received_port}{587}}{!def:authenticated_id}}}
  accept verify = certificate
    sender_domains = polkatistas.org
  accept sender_domains = example.com
    hosts = 203.0.113.0/24
  accept hosts = +relay_from_hosts
    control = submission/sender_retain
  accept authenticated = *
    control = submission
    control = dkim_disable_verify
  require message = relay not permitted
    domains = +local_domains : +relay_to_domains
  deny dnslists = zen.spamhaus.org
  defer ratelimit = 100 / 1h / per_rcpt
  require verify = recipient
  accept
acl_check_data:
  deny condition = ${if > {$max_received_linelength}{998}}
  accept
"""
OUT = """\
begin routers
dnslookup:
  driver = dnslookup
  domains = ! +local_domains
  transport = remote_smtp
  ignore_target_hosts = 0.0.0.0 : 127.0.0.0/8
  no_more
system_aliases:
  driver = redirect
  allow_fail
  allow_defer
  data = ${lookup{$local_part}lsearch{/etc/aliases}}
  file_transport = address_file
"""
SMARTHOST = """\
begin routers
hubbed_hosts:
  driver = manualroute
  domains = "${if exists{/etc/exim4/hubbed_hosts}{partial-lsearch;/etc/exim4/hubbed_hosts}fail}"
  route_data = ${lookup{$domain}partial-lsearch{/etc/exim4/hubbed_hosts}}
  transport = remote_smtp
smarthost:
  driver = manualroute
  domains = ! +local_domains
  transport = remote_smtp_smarthost
  route_list = * smtp.example.net::587 byname
  host_find_failed = ignore
  same_domain_copy_routing = yes
  no_more
"""
MAILBOXES = """\
virtual:
  driver = redirect
  domains = +local_domains
  data = ${lookup{$local_part@$domain}lsearch{/etc/exim4/virtual}}
  allow_fail
mailbox:
  driver = accept
  domains = +local_domains
  condition = ${lookup{$local_part@$domain}lsearch{/etc/exim4/mailboxes}{true}{false}}
  transport = to_dovecot
"""
TRANSPORTS = """\
begin transports
remote_smtp:
  driver = smtp
  message_size_limit = 60M
  hosts_try_chunking =
  dnssec_request_domains = *
  hosts_try_dane = *
remote_smtp_smarthost:
  driver = smtp
  hosts_try_auth = ${if exists{/etc/exim4/passwd.client}{smtp.example.net}{}}
  hosts_require_tls = smtp.example.net
  tls_verify_certificates = system
  tls_tempfail_tryclear = false
  multi_domain
address_file:
  driver = appendfile
to_dovecot:
  driver = lmtp
  socket = /run/dovecot/lmtp
  batch_max = 20
begin retry
* * F,2h,15m; G,16h,1h,1.5; F,4d,6h
begin rewrite
begin authenticators
"""
BY_LOOKUP = """\
plain_server:
  driver = plaintext
  public_name = PLAIN
  server_condition = "${if crypteq{$auth3}{${extract{1}{:}\\
    {${lookup{$auth2}lsearch{/etc/exim4/passwd}{$value}{*:*}}}}}{1}{0}}"
  server_set_id = $auth2
  server_prompts = :
  server_advertise_condition = ${if def:tls_in_cipher}
login_server:
  driver = plaintext
  public_name = LOGIN
  server_prompts = "Username:: : Password::"
  server_condition = "${if crypteq{$auth2}{${extract{1}{:}\\
    {${lookup{$auth1}lsearch{/etc/exim4/passwd}{$value}{*:*}}}}}{1}{0}}"
  server_set_id = $auth1
  server_advertise_condition = ${if def:tls_in_cipher}
"""
BY_DOVECOT = """\
dovecot_plain:
  driver = dovecot
  public_name = PLAIN
  server_socket = /run/dovecot/auth-client
  server_set_id = $auth1
  server_advertise_condition = ${if def:tls_in_cipher}
"""
FILTER = """\
# Exim filter
if not first_delivery then
  finish
endif
if $h_subject: contains "make money" then
  fail text "spam"
  seen finish
endif
headers add "X-Filtered: yes"
"""
CASES = {
    "accounts by lookups, an ISP's relay": MAIN + ACLS + OUT + TRANSPORTS + BY_LOOKUP,
    "a smarthost": MAIN + ACLS + SMARTHOST + TRANSPORTS + BY_LOOKUP,
    "mailboxes of Dovecot": MAIN + ACLS + OUT + MAILBOXES + TRANSPORTS + BY_DOVECOT,
    "a filter of spam": MAIN
    + "system_filter = /etc/exim4/system-filter\n"
    + ACLS
    + OUT
    + TRANSPORTS
    + BY_LOOKUP,
    "treats names of its own as local": MAIN
    + "hosts_treat_as_local = mx.example.org\n"
    + ACLS
    + OUT
    + TRANSPORTS
    + BY_LOOKUP,
}


@pytest.mark.parametrize("name", CASES)
def test_what_works_is_no_finding(tmp_path: Path, name: str) -> None:
    host = exim(tmp_path / "root")
    host.write("/etc/exim4/system-filter", FILTER)
    host.write(EXIM, CASES[name])
    assert host.findings("MTA") == []


OURS = """\
MAIN_TLS_ENABLE = yes
MAIN_TLS_CERTIFICATE = /etc/mail/certs/dmzmail-cert.pem
MAIN_TLS_PRIVATEKEY = /etc/mail/certs/dmzmail-key.pem
MAIN_TLS_VERIFY_CERTIFICATES = /etc/mail/certs/cacert.pem
REMOTE_SMTP_SMARTHOST_HOSTS_REQUIRE_TLS = *
CHECK_RCPT_IP_DNSBLS = zen.spamhaus.org
CHECK_RCPT_VERIFY_SENDER = true
"""
AUTHENTICATORS = "/etc/exim4/conf.d/auth/35_local"
GENERATED = "/var/lib/exim4/config.autogenerated"


@pytest.mark.live
@pytest.mark.parametrize("split", [False, True], ids=["one file", "split"])
@pytest.mark.parametrize("smart_host", ["", "relay.example.net::587"], ids=["internet", "smarthost"])
def test_debians_exim_with_logins(tmp_path: Path, smart_host: str, *, split: bool) -> None:
    host = exim(tmp_path / "root")
    host.path(EXIM).unlink()
    with Lab() as lab:
        machine = lab.host(HUB, SOFTWARE)
        made = Exim(machine, split=split, smart_host=smart_host, networks="192.0.2.0/24")
        machine.write(SPLIT_MACROS if split else MACROS, OURS)
        if split:
            machine.write(AUTHENTICATORS, BY_LOOKUP)
        else:
            template = machine.path("/etc/exim4/exim4.conf.template").read_text()
            assert template.count("\nbegin authenticators\n") == 1
            with_ours = template.replace("\nbegin authenticators\n", f"\nbegin authenticators\n{BY_LOOKUP}")
            machine.write("/etc/exim4/exim4.conf.template", with_ours)
        made.generate()
        text = machine.path(GENERATED).read_text()
        assert "plain_server" in machine.run(("/usr/sbin/exim4", "-bP", "authenticator_list"))
    host.write(GENERATED, text)
    assert [str(f) for f in host.findings("MTA")] == []
    host.write(GENERATED, text.replace("server_advertise_condition = ${if def:tls_in_cipher}\n", ""))
    assert host.findings("MTA") != [], "it is read"


@pytest.mark.live
def test_exim_takes_each() -> None:
    with Lab() as lab:
        host = lab.host(HUB, SOFTWARE)
        for text in CASES.values():
            host.write(EXIM, text)
            assert "acl_smtp_rcpt = acl_check_rcpt" in host.run(
                ("/usr/sbin/exim4", "-C", EXIM, "-bP", "config")
            )
