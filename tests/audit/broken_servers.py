"""Postfix, Exim and Dovecot, each broken so that one code is found."""

import shutil
import subprocess

from admin import HUB

from .breaking import breaks
from .scene import (
    DOVECOT,
    EXIM,
    JAILED,
    MAIN,
    MASTER,
    SASL_CONF,
    SMTPD_CONF,
    Host,
)

PERMITS_NETWORK = (
    "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"
)


def in_main(host: Host, *lines: str) -> None:
    """Put lines at the end of main.cf."""
    with host.path(MAIN).open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


@breaks("MTA109", "postfix")
def service_without_auth(host: Host) -> None:
    host.replace(MASTER, "smtpd\n", "smtpd\n  -o { smtpd_sasl_auth_enable = no }\n")


@breaks("MTA102", "postfix")
def service_without_tls(host: Host) -> None:
    host.replace(MASTER, "smtpd\n", "smtpd -o smtpd_tls_security_level=none\n")


@breaks("MTA110", "postfix")
def postfix_refuses_first(host: Host) -> None:
    in_main(host, "smtpd_client_restrictions = permit_mynetworks, reject")


@breaks("MTA110", "postfix")
def postfix_ends_every_session(host: Host) -> None:
    in_main(host, "smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated")


@breaks("MTA111", "postfix")
def postfix_for_everybody(host: Host) -> None:
    in_main(host, "mynetworks = 127.0.0.0/8, 0.0.0.0/0")


SHA256 = ":".join(["AB"] * 32)
BY_CERTIFICATE = (
    "smtpd_relay_restrictions = permit_sasl_authenticated, permit_tls_clientcerts, reject_unauth_destination",
    "relay_clientcerts = texthash:/etc/postfix/relay_clientcerts",
)


@breaks("MTA112", "postfix")
def postfix_asks_for_no_certificate(host: Host) -> None:
    host.write("/etc/postfix/relay_clientcerts", f"{SHA256} attic\n")
    in_main(host, *BY_CERTIFICATE, "smtpd_tls_fingerprint_digest = sha256")


@breaks("MTA113", "postfix")
def postfix_lists_by_another_digest(host: Host) -> None:
    host.write("/etc/postfix/relay_clientcerts", f"{SHA256} attic\n")
    in_main(host, *BY_CERTIFICATE, "smtpd_tls_ask_ccert = yes", "compatibility_level = 2")  # md5 below 3.6


@breaks("MTA114", "postfix", "MTA115")
def postfix_filters_by_names_of_plugins(host: Host) -> None:
    in_main(host, "smtp_sasl_mechanism_filter = digestmd5,ntlm,crammd5,plain,login,anonymous")


@breaks("MTA115", "postfix")
def postfix_names_a_plugin(host: Host) -> None:
    in_main(host, "smtp_sasl_mechanism_filter = scram-sha-256, crammd5")


@breaks("MTA117", "postfix")
def postfix_asks_a_dovecot_that_is_not_there(host: Host) -> None:
    in_main(host, "smtpd_sasl_type = dovecot", "smtpd_sasl_path = private/auth")


@breaks("MTA117", "postfix")
def postfix_is_another_service(host: Host) -> None:
    in_main(host, "smtpd_sasl_service = submission")


@breaks("MTA118", "postfix")
def postfix_table_that_was_not_made(host: Host) -> None:
    host.replace(MAIN, "texthash:", "hash:")


@breaks("MTA119", "postfix")
def postfix_never_asks(host: Host) -> None:
    in_main(host, "smtp_never_send_ehlo = yes")


@breaks("MTA119", "postfix")
def postfix_asks_dovecot_as_a_client(host: Host) -> None:
    in_main(host, "smtp_sasl_type = dovecot")


@breaks("MTA121", "postfix")
def postfix_knows_no_ca(host: Host) -> None:
    host.replace(MAIN, "smtp_tls_CAfile = $smtpd_tls_CAfile\n", "")


@breaks("MTA122", "postfix")
def postfix_begins_with_tls(host: Host) -> None:
    in_main(host, "smtp_tls_wrappermode = yes")


@breaks("MTA123", "postfix")
def postfix_without_a_version(host: Host) -> None:
    in_main(host, "smtp_tls_mandatory_protocols = !TLSv1.2, !TLSv1.3")


@breaks("MTA116", "postfix")
def postfix_without_a_cipher(host: Host) -> None:
    in_main(host, "smtp_tls_mandatory_ciphers = strong")


@breaks("MTA124", "postfix")
def postfix_compares_another_name(host: Host) -> None:
    in_main(host, "smtp_tls_policy_maps =", "smtp_tls_secure_cert_match = other.example.org")


@breaks("MTA126", "postfix")
def postfix_asks_a_block_list_first(host: Host) -> None:
    in_main(host, "smtpd_client_restrictions = reject_rbl_client zen.example.org")


@breaks("MTA144", "postfix")
def postfix_asks_a_policy_server_first(host: Host) -> None:
    in_main(host, "smtpd_client_restrictions = check_policy_service unix:private/policy")


@breaks("MTA127", "postfix")
def postfix_demands_a_certificate(host: Host) -> None:
    in_main(host, "smtpd_tls_security_level = encrypt", "smtpd_tls_req_ccert = yes")


@breaks("MTA125", "postfix")
def postfix_offers_some_no_auth(host: Host) -> None:
    in_main(host, "smtpd_sasl_exceptions_networks = 192.0.2.0/24")


@breaks("MTA128", "postfix")
def postfix_without_random_numbers(host: Host) -> None:
    in_main(host, "tls_random_source = /nonexistent")


@breaks("MTA129", "postfix")
def postfix_hands_mail_to_nobody(host: Host) -> None:
    in_main(host, "content_filter = scan:[127.0.0.1]:10024")


@breaks("MTA129", "postfix")
def postfix_asks_a_milter_that_is_gone(host: Host) -> None:
    in_main(host, "smtpd_milters = unix:/run/gone/milter.sock")


@breaks("MTA130", "postfix")
def postfix_ignores_auth(host: Host) -> None:
    host.write("/etc/postfix/commands", "/^AUTH (.*)/ NOOP\n")
    in_main(host, "smtpd_command_filter = pcre:/etc/postfix/commands")


@breaks("MTA131", "postfix")
def postfix_does_not_run_its_service(host: Host) -> None:
    in_main(host, "master_service_disable = smtp/inet")


@breaks("MTA132", "postfix")
def postfix_believes_what_is_claimed(host: Host) -> None:
    host.write("/etc/postfix/claimed", "friend@example.org OK\n")
    tables = "check_sender_access texthash:/etc/postfix/claimed, permit_sasl_authenticated"
    in_main(host, f"smtpd_relay_restrictions = {tables}, reject_unauth_destination")


@breaks("MTA133", "postfix")
def postfix_knows_owners_by_half_their_names(host: Host) -> None:
    host.write("/etc/postfix/owners", "@polkatistas.org maildroid\n")
    in_main(
        host,
        f"smtpd_sasl_local_domain = {HUB}",
        "smtpd_sender_login_maps = texthash:/etc/postfix/owners",
        "smtpd_sender_restrictions = reject_known_sender_login_mismatch",
    )


@breaks("MTA134", "postfix")
def postscreen_turns_clients_away(host: Host) -> None:
    host.replace(MASTER, "smtpd\n", "postscreen\nsmtpd pass - - n - - smtpd\n")
    in_main(host, "postscreen_pipelining_enable = yes")


@breaks("MTA135", "postfix")
def postfix_expects_a_proxy(host: Host) -> None:
    in_main(host, "smtpd_upstream_proxy_protocol = haproxy")


@breaks("MTA136", "postfix")
def postfix_gets_a_word_for_a_number(host: Host) -> None:
    in_main(host, "smtpd_client_connection_count_limit = many")


@breaks("MTA136", "postfix")
def postfix_gets_nothing(host: Host) -> None:
    in_main(host, "smtpd_banner =", "smtpd_soft_error_limit = 0")


@breaks("MTA136", "postfix")
def postfix_gets_another_yes(host: Host) -> None:
    in_main(host, "smtpd_delay_reject = true")


@breaks("MTA222", "postfix")
def postfix_asks_a_directory(host: Host) -> None:
    host.path("/var/run/saslauthd").mkdir(parents=True)
    host.write(
        SMTPD_CONF, "pwcheck_method: saslauthd\nsaslauthd_path: /var/run/saslauthd\nmech_list: PLAIN\n"
    )


@breaks("MTA222", "postfix")
def postfix_asks_where_a_directory_lies(host: Host) -> None:
    host.path("/var/run/saslauthd/mux").mkdir(parents=True)
    host.write(SMTPD_CONF, "pwcheck_method: saslauthd\nmech_list: PLAIN\n")


@breaks("PERM016", "postfix")
def postfix_cannot_get_to_saslauthd(host: Host) -> None:
    host.write(SMTPD_CONF, "pwcheck_method: saslauthd\nmech_list: PLAIN\n")
    host.write("/var/run/saslauthd/mux", "", 0o777)
    host.path("/var/run/saslauthd").chmod(0o710)


@breaks("MTA137", "postfix")
def postfix_takes_small_messages(host: Host) -> None:
    in_main(host, "message_size_limit = 100")


@breaks("MTA137", "postfix")
def postfix_refuses_all_headers(host: Host) -> None:
    in_main(host, "header_checks = static:REJECT")


@breaks("MTA138", "postfix")
def postfix_sends_mail_elsewhere(host: Host) -> None:
    in_main(host, "default_transport = smtp:[other.example.net]")


@breaks("MTA139", "postfix")
def postfix_for_the_whole_network(host: Host) -> None:
    in_main(host, "mynetworks_style = subnet", PERMITS_NETWORK)


@breaks("MTA139", "postfix")
def postfix_for_the_whole_network_by_default(host: Host) -> None:
    in_main(host, "mynetworks_style = subnet")


@breaks("MTA139", "postfix")
def postfix_for_the_whole_network_as_it_was_before_3(host: Host) -> None:
    in_main(host, "compatibility_level = 1")


@breaks("MTA138", "postfix")
def postfix_sends_mail_for_some_elsewhere(host: Host) -> None:
    in_main(host, "relay_domains = example.org", "relay_transport = smtp:[other.example.net]")


@breaks("MTA145", "postfix")
def postfix_asks_a_database_of_which_nothing_is_known(host: Host) -> None:
    in_main(host, "relay_domains = proxy:mysql:/etc/postfix/domains.cf")


@breaks("MTA146", "postfix")
def postfix_filters_commands_by_a_table_that_is_gone(host: Host) -> None:
    in_main(host, "smtpd_command_filter = pcre:/nonexistent")


@breaks("MTA146", "postfix")
def postfix_rewrites_by_a_table_that_was_not_made(host: Host) -> None:
    host.write("/etc/postfix/virtual", "postmaster root\n")
    in_main(host, "virtual_alias_maps = hash:/etc/postfix/virtual")


@breaks("MTA147", "postfix")
def postfix_has_a_second_instance(host: Host) -> None:
    host.write("/etc/postfix-out/main.cf", "compatibility_level = 3.6\n")
    in_main(host, "multi_instance_directories = /etc/postfix-out, /etc/postfix-gone")


@breaks("MTA146", "postfix")
def postfix_checks_what_it_sends_by_a_table_that_is_gone(host: Host) -> None:
    in_main(host, "smtp_header_checks = pcre:/nonexistent", "smtp_generic_maps = hash:/nonexistent")


@breaks("MTA136", "postfix")
def postfix_sends_by_nothing(host: Host) -> None:
    in_main(host, "smtp_tls_mandatory_ciphers =", "smtp_connect_timeout =")


@breaks("MTA136", "postfix")
def postfix_has_an_empty_list(host: Host) -> None:
    in_main(host, "smtpd_tls_mandatory_ciphers =")


@breaks("MTA141", "postfix")
def postfix_asks_a_database(host: Host) -> None:
    host.write("/etc/postfix/clients.cf", "hosts = localhost\n")
    tables = "check_client_access proxy:mysql:/etc/postfix/clients.cf, permit_sasl_authenticated"
    in_main(host, f"smtpd_client_restrictions = {tables}, reject")


@breaks("MTA141", "postfix")
def postfix_asks_a_directory_how_to_verify(host: Host) -> None:
    host.write("/etc/postfix/policy.cf", "server_host = localhost\n")
    in_main(host, "smtp_tls_security_level = may", "smtp_tls_policy_maps = ldap:/etc/postfix/policy.cf")


@breaks("MTA142", "postfix")
def postfix_for_strangers_to_one_domain(host: Host) -> None:
    host.write("/etc/postfix/recipients", "example.net OK\n")
    tables = "reject_non_fqdn_recipient, check_recipient_access texthash:/etc/postfix/recipients"
    rest = "permit_sasl_authenticated, reject_unauth_destination"
    in_main(host, f"smtpd_relay_restrictions = {tables}, {rest}")


@breaks("MTA143", "postfix")
def postfix_refuses_for_a_while(host: Host) -> None:
    in_main(host, "soft_bounce = yes")


@breaks("MTA136", "postfix")
def postfix_speaks_no_protocol(host: Host) -> None:
    in_main(host, "inet_protocols = ipv5")


@breaks("MTA128", "postfix")
def postfix_without_the_file_of_openssl(host: Host) -> None:
    in_main(host, "tls_config_file = /etc/postfix/openssl.cnf")


@breaks("MTA203", "exim")
def exim_offers_nothing(host: Host) -> None:
    host.replace(EXIM, "begin acl\n", "NOBODY = :\nauth_advertise_hosts = NOBODY\nbegin acl\n")


@breaks("MTA204", "exim")
def exim_asks_for_no_certificate(host: Host) -> None:
    host.replace(EXIM, "tls_try_verify_hosts = *\n", ".ifdef NEVER\ntls_try_verify_hosts = *\n.endif\n")


@breaks("MTA205", "exim")
def exim_refuses_first(host: Host) -> None:
    host.replace(EXIM, "  accept hosts = :\n", "  deny domains = ! +local_domains\n")


@breaks("MTA206", "exim")
def exim_for_everybody(host: Host) -> None:
    host.replace(EXIM, "  accept hosts = :\n", "  accept\n")


@breaks("MTA209", "exim")
def exim_demands_a_certificate(host: Host) -> None:
    host.replace(EXIM, "begin acl\n", "tls_verify_hosts = *\nbegin acl\n")


@breaks("MTA207", "exim")
def exim_begins_with_tls(host: Host) -> None:
    host.replace(EXIM, "begin acl\n", "tls_on_connect_ports = 25\nbegin acl\n")


@breaks("MTA208", "exim")
def exim_logs_in_anywhere(host: Host) -> None:
    host.replace(EXIM, "  driver = smtp\n", "  driver = smtp\n  hosts_require_auth = *\n")


@breaks("MTA210", "exim", "MTA208")
def exim_says_helo(host: Host) -> None:
    line = "  driver = smtp\n"
    host.replace(EXIM, line, f"{line}  hosts_require_auth = *\n  hosts_avoid_esmtp = *\n")


def in_exim(host: Host, *lines: str) -> None:
    """Put options at the end of the main part."""
    host.replace(EXIM, "begin acl\n", "".join(f"{line}\n" for line in (*lines, "begin acl")))


@breaks("MTA211", "exim")
def exim_rejects_connections(host: Host) -> None:
    in_exim(host, "host_reject_connection = *")


@breaks("MTA212", "exim")
def exim_verifies_names(host: Host) -> None:
    in_exim(host, "helo_verify_hosts = *")


@breaks("MTA213", "exim")
def exim_lacks_a_file(host: Host) -> None:
    in_exim(host, "tls_dhparam = /etc/exim4/dh.pem")


@breaks("MTA214", "exim")
def exim_without_a_way_out(host: Host) -> None:
    host.replace(
        EXIM, "begin acl\n", "begin routers\nnoway:\n  driver = redirect\n  data = :fail: no\nbegin acl\n"
    )


@breaks("MTA215", "exim")
def exim_keeps_mail(host: Host) -> None:
    in_exim(host, "queue_only")


@breaks("MTA216", "exim")
def exim_on_another_port(host: Host) -> None:
    in_exim(host, "daemon_smtp_ports = 587")


@breaks("MTA217", "exim")
def exim_has_no_room(host: Host) -> None:
    in_exim(host, "received_headers_max = 1")


OUTWARD = """\
begin routers
out:
  driver = dnslookup
  transport = out
begin transports
out:
  driver = smtp
  protocol = lmtp
begin acl
"""


@breaks("MTA218", "exim")
def exim_speaks_to_nobody(host: Host) -> None:
    host.replace(EXIM, "begin acl\n", OUTWARD)


PAST = "begin routers\npast:\n  driver = dnslookup\n  transport = remote_smtp\nbegin acl\n"


@breaks("MTA219", "exim")
def exim_of_a_client_host_past_its_hub(host: Host) -> None:
    path = host.path(EXIM)
    path.write_text(path.read_text().replace("server_", "client_"))
    host.replace(EXIM, "begin acl\n", PAST)
    host.replace(EXIM, "remote_smtp:\n", "smtpcreds_hub:\n  driver = smtp\nremote_smtp:\n")


def for_postfix(host: Host, *lines: str) -> None:
    """Let Dovecot check accounts for Postfix, and say more."""
    listener = "service auth {\n  unix_listener /var/spool/postfix/private/auth {\n    mode = 0660\n  }\n}\n"
    with host.path(DOVECOT).open("a") as file:
        file.write(listener + "".join(f"{line}\n" for line in lines))


@breaks("MTA302", "dovecot")
def dovecot_wants_a_certificate(host: Host) -> None:
    for_postfix(host, "auth_ssl_require_client_cert = yes")


@breaks("MTA302", "dovecot")
def dovecot_asks_a_policy_server_without_a_nonce(host: Host) -> None:
    for_postfix(host, "auth_policy_server_url = http://127.0.0.1:4001/")


@breaks("MTA303", "dovecot")
def dovecot_takes_every_password(host: Host) -> None:
    for_postfix(host, "passdb {", "  driver = static", "  args = nopassword=y", "}")


@breaks("MTA304", "dovecot")
def dovecot_with_a_later_line(host: Host) -> None:
    fragment = "/etc/dovecot/smtpcreds-auth.conf"
    host.write(fragment, "auth_mechanisms = scram-sha-256\ndisable_plaintext_auth = yes\n")
    for_postfix(host, f"!include {fragment}", "auth_mechanisms = plain")


@breaks("SASL020", "dovecot")
def dovecot_offers_what_its_hashes_do_not_serve(host: Host) -> None:
    host.write("/etc/dovecot/users", "anne:$6$salt$hash::::::\nbob:{SHA512-CRYPT}$6$salt$hash\n", 0o640)
    passdb = ("passdb {", "  driver = passwd-file", "  args = scheme=CRYPT /etc/dovecot/users", "}")
    for_postfix(host, *passdb, "auth_mechanisms = plain scram-sha-256 login cram-md5")


@breaks("SASL020", "dovecot_2_4")
def dovecot_2_4_offers_what_its_verifiers_do_not_serve(host: Host) -> None:
    host.write("/etc/dovecot/users", "anne:{SCRAM-SHA-256}4096,c2FsdA==,a,b\n", 0o640)
    passdb = ("passdb passwd-file {", "  passwd_file_path = /etc/dovecot/users", "}", "passdb pam {", "}")
    for_postfix(host, *passdb, "auth_mechanisms = plain scram-sha-256 digest-md5")


@breaks("MTA305", "dovecot")
def dovecot_checks_accounts_in_a_chroot(host: Host) -> None:
    for_postfix(host, "service auth {", "chroot = /var/empty", "}")


@breaks("MTA306", "dovecot")
def dovecot_trusts_every_network(host: Host) -> None:
    with host.path(DOVECOT).open("a") as file:
        file.write("login_trusted_networks = 0.0.0.0/0\n")


@breaks("MTA307", "dovecot")
def dovecot_hands_on_mail_in_clear(host: Host) -> None:
    submits(host, "submission_relay_host = mx.example.org")


@breaks("MTA307", "dovecot")
def dovecot_hands_on_mail_to_whoever_answers(host: Host) -> None:
    tls = "submission_relay_ssl = starttls"
    submits(host, "submission_relay_host = mx.example.org", tls, "submission_relay_ssl_verify = no")


@breaks("MTA308", "dovecot")
def dovecot_has_no_relay_server(host: Host) -> None:
    submits(host)


@breaks("MTA308", "dovecot")
def dovecot_verifies_by_no_authority(host: Host) -> None:
    submits(host, "submission_relay_host = mx.example.org", "submission_relay_ssl = starttls")


@breaks("MTA308", "dovecot_2_4")
def dovecot_2_4_verifies_our_hub_by_the_authorities_of_the_system(host: Host) -> None:
    submits(host, f"submission_relay_host = {HUB}", "submission_relay_ssl = starttls")


@breaks("MTA307", "dovecot_2_4")
def dovecot_2_4_hands_on_mail_to_whoever_answers(host: Host) -> None:
    block = ("ssl_client {", "  require_valid_cert = no", "}")
    submits(host, "submission_relay_host = mx.example.org", "submission_relay_ssl = starttls", *block)


@breaks("MTA308", "dovecot_2_4")
def dovecot_2_4_has_no_file_of_authorities(host: Host) -> None:
    block = ("protocol submission {", "  ssl_client {", "    ca_file = /etc/dovecot/none.pem", "  }", "}")
    submits(host, "submission_relay_host = mx.example.org", "submission_relay_ssl = starttls", *block)


@breaks("MTA309", "dovecot")
def dovecot_takes_no_session_for_submission(host: Host) -> None:
    block = ("service submission-login {", "  inet_listener submission {", "    haproxy = yes", "  }", "}")
    submits(host, "submission_relay_host = localhost", *block)


def submits(host: Host, *lines: str) -> None:
    with host.path(DOVECOT).open("a") as file:
        file.write("".join(f"{line}\n" for line in ("protocols = submission", *lines)))


@breaks("MTA221", "exim")
def exim_filters_all_mail_away(host: Host) -> None:
    host.write("/etc/exim4/filter", "# Exim filter\nseen finish\n")
    in_exim(host, "system_filter = /etc/exim4/filter")


@breaks("MTA120", "postfix")
def postfix_listens_for_itself_alone(host: Host) -> None:
    host.replace(
        MAIN, "smtpd_tls_security_level", "inet_interfaces = loopback-only\nsmtpd_tls_security_level"
    )


@breaks("MTA220", "exim")
def exim_listens_for_itself_alone(host: Host) -> None:
    host.write("/etc/exim4/update-exim4.conf.conf", "dc_local_interfaces='127.0.0.1 ; ::1'\n")


@breaks("MTA140", "postfix")
def postfix_returns_mail_for_other_hosts(host: Host) -> None:
    host.replace(MAIN, "smtpd_tls_security_level", "default_transport = error\nsmtpd_tls_security_level")


@breaks("MTA240", "exim")
def exim_returns_mail_for_other_hosts(host: Host) -> None:
    host.write("/etc/exim4/update-exim4.conf.conf", "dc_eximconfig_configtype='local'\n")


@breaks("MTA019", "hub", "MTA009")
def nothing_in_common(host: Host) -> None:
    host.replace(SASL_CONF, "mech_list: SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5", "mech_list: PLAIN LOGIN")


@breaks("MTA101", "postfix")
def postfix_plain_outside_tls(host: Host) -> None:
    host.replace(MAIN, "smtpd_tls_auth_only = yes", "smtpd_tls_auth_only = no")


@breaks("MTA102", "postfix")
def postfix_tls_off(host: Host) -> None:
    host.replace(MAIN, "smtpd_tls_security_level = may\n", "")


@breaks("MTA103", "postfix")
def postfix_does_not_verify(host: Host) -> None:
    host.replace(MAIN, "smtp_tls_security_level = secure", "smtp_tls_security_level = encrypt")


@breaks("MTA104", "postfix")
def postfix_in_a_chroot(host: Host) -> None:
    host.replace(MASTER, "inet  n       -       n", "inet  n       -       y")


@breaks("MTA104", "postfix")
def postfix_in_a_chroot_by_its_old_default(host: Host) -> None:
    host.replace(MAIN, "compatibility_level = 3.6\n", "mynetworks_style = host\n")
    host.replace(MASTER, "inet  n       -       n", "inet  n       -       -")


@breaks("MTA104", "jailed")
def postfix_without_its_copy(host: Host) -> None:
    host.path(JAILED).unlink()


@breaks("MTA105", "postfix")
def postfix_key_that_is_not_the_relay(host: Host) -> None:
    host.replace("/etc/postfix/sasl_passwd", "[mx.example.net]:587", "[mx.example.net]")


@breaks("MTA106", "postfix", "MTA110", "MTA112")
def postfix_trusts_every_certificate(host: Host) -> None:
    host.replace(
        MAIN,
        "relayhost",
        "smtpd_relay_restrictions = permit_mynetworks,\n  permit_tls_all_clientcerts, reject\nrelayhost",
    )


@breaks("MTA107", "postfix", "MTA101")
def postfix_conf_elsewhere(host: Host) -> None:
    host.replace(MAIN, "smtpd_tls_auth_only = yes", "smtpd_tls_auth_only = no")
    host.path("/etc/sasl2").mkdir()
    host.path(SMTPD_CONF).rename(host.path("/etc/sasl2/smtpd.conf"))
    host.path(SMTPD_CONF).parent.rmdir()


@breaks("SASL009", "postfix")
def postfix_conf_of_a_service_of_another_name(host: Host) -> None:
    text = host.path(SMTPD_CONF).rename(host.path("/etc/postfix/sasl/relay.conf")).read_text()
    host.write("/etc/postfix/sasl/relay.conf", text.replace("auxprop\n", "pwcheck\n", 1))
    with host.path(MASTER).open("a") as file:
        file.write("  -o smtpd_sasl_path=relay\n")


@breaks("MTA108", "postfix", "CERT002")
def postfix_certificate_first(host: Host) -> None:
    certs = "/etc/mail/certs/dmzmail"
    host.replace(MAIN, f"{certs}-key.pem, {certs}-cert.pem", f"{certs}-cert.pem, {certs}-key.pem")


@breaks("MTA201", "exim")
def exim_plain_outside_tls(host: Host) -> None:
    host.replace(EXIM, "  server_advertise_condition = ${if def:tls_in_cipher}\n", "")


@breaks("MTA202", "exim")
def exim_external_unguarded(host: Host) -> None:
    condition = "  server_advertise_condition = ${if bool{$tls_in_certificate_verified}}\n"
    host.replace(EXIM, condition, "")


@breaks("MTA301", "dovecot")
def dovecot_plain_outside_tls(host: Host) -> None:
    host.replace("/etc/dovecot/conf.d/10-auth.conf", "= yes", "= no")
    host.replace(DOVECOT, "ssl = required", "ssl = yes")


@breaks("MTA301", "dovecot_2_4")
def dovecot_2_4_plain_outside_tls(host: Host) -> None:
    host.replace("/etc/dovecot/conf.d/10-auth.conf", "= no", "= yes")
    host.replace(DOVECOT, "ssl = required", "ssl = yes")


def daemon(host: Host) -> "subprocess.Popen[bytes]":
    """Start a process that is called like the daemon, with its pid file; it ends with its input."""
    program = host.path("/usr/sbin/sendmail-mta")
    program.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy("/bin/cat", program)
    running = subprocess.Popen([program], stdin=subprocess.PIPE)
    host.write("/run/sendmail/mta/sendmail.pid", f"{running.pid}\n/usr/sbin/sendmail-mta -bd\n")
    return running
