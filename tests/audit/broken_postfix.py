"""Postfix, broken so that one code is found by what tables, limits and addresses it is told of."""

from .breaking import breaks
from .broken_servers import in_main
from .scene import Host

DYNAMIC = b"# \xff: not UTF-8\nldap\tpostfix-ldap.so\tdict_ldap_open\n"
OWN_ADDRESS = "Main:\n  |-- 127.0.0.1\n     /32 host LOCAL\n  |-- 192.0.2.10\n     /32 host LOCAL\n"
"""/proc/net/fib_trie, in part."""


@breaks("MTA148", "postfix")
def postfix_has_no_such_type(host: Host) -> None:
    host.write("/etc/postfix/dynamicmaps.cf", DYNAMIC)
    host.write("/etc/postfix/checks", "/^Subject: spam/ REJECT\n")
    in_main(host, "header_checks = regexp:/etc/postfix/checks, pcre:/etc/postfix/checks")


@breaks("MTA148", "postfix")
def postfix_is_told_of_a_type_that_nobody_has(host: Host) -> None:
    host.write("/etc/postfix/checks", "/^Subject: spam/ REJECT\n")
    in_main(host, "header_checks = regex:/etc/postfix/checks")


@breaks("MTA148", "postfix")
def postfix_reads_an_address_without_brackets_as_a_table(host: Host) -> None:
    in_main(host, "mynetworks = 127.0.0.0/8, ::1/128")


@breaks("MTA148", "postfix")
def postfix_asks_such_a_type_whether_to_refuse(host: Host) -> None:
    in_main(host, "smtpd_client_restrictions = check_client_access polka:/etc/postfix/blocked")


@breaks("MTA146", "postfix")
def postfix_reads_its_domains_from_a_file_that_is_gone(host: Host) -> None:
    in_main(host, "relay_domains = /nonexistent")


@breaks("MTA149", "postfix")
def postfix_is_every_host(host: Host) -> None:
    in_main(host, "mydestination = $myhostname, static:all")


@breaks("MTA149", "postfix")
def postfix_makes_one_mailbox_of_all(host: Host) -> None:
    host.write("/etc/postfix/all", "/./ postmaster@polkatistas.org\n")
    in_main(host, "canonical_maps = regexp:/etc/postfix/all")


@breaks("MTA137", "postfix")
def postfix_refuses_a_letter(host: Host) -> None:
    in_main(host, r"message_reject_characters = \0\145")


@breaks("MTA151", "postfix")
def postfix_lets_in_one_at_a_time(host: Host) -> None:
    in_main(host, "mynetworks = 127.0.0.0/8", "smtpd_client_connection_count_limit = 1")


@breaks("MTA152", "postfix")
def postfix_sends_from_the_loopback(host: Host) -> None:
    in_main(host, "smtp_bind_address = 127.0.0.1")


@breaks("MTA152", "postfix")
def postfix_speaks_ipv6_without_an_address(host: Host) -> None:
    host.write("/proc/net/fib_trie", OWN_ADDRESS)
    in_main(host, "inet_protocols = ipv6")


@breaks("MTA152", "postfix")
def postfix_listens_at_the_address_of_another_host(host: Host) -> None:
    host.write("/proc/net/fib_trie", OWN_ADDRESS)
    in_main(host, "inet_interfaces = 127.0.0.1, 192.0.2.11")


@breaks("MTA136", "postfix")
def postfix_logs_by_a_service_that_it_does_not_have(host: Host) -> None:
    in_main(host, "maillog_file = /var/log/mail.log")


@breaks("MTA110", "postfix")
def postfix_reads_a_word_of_a_table_that_is_no_action(host: Host) -> None:
    host.write("/etc/postfix/hosts", "polkatistas.org ALLOW\n")
    in_main(host, "smtpd_client_restrictions = texthash:/etc/postfix/hosts")


@breaks("MTA110", "postfix")
def postfix_has_a_class_that_is_not_set(host: Host) -> None:
    in_main(host, "smtpd_restriction_classes = polka")


@breaks("MTA123", "postfix")
def postfix_misspells_a_version(host: Host) -> None:
    in_main(host, "smtpd_tls_protocols = !SSLv2, !TLS1.1")


@breaks("MTA130", "postfix")
def postfix_ignores_every_command(host: Host) -> None:
    in_main(host, "smtpd_noop_commands = static:all")


@breaks("MTA129", "postfix")
def postfix_sends_by_a_service_that_it_does_not_have(host: Host) -> None:
    in_main(host, "default_transport = polka")


@breaks("MTA137", "postfix")
def postfix_counts_few_hops(host: Host) -> None:
    in_main(host, "hopcount_limit = 2")


@breaks("MTA119", "postfix")
def postfix_hears_of_no_address_of_the_relay(host: Host) -> None:
    in_main(host, "smtp_dns_reply_filter = regexp:{{/example/ IGNORE}}")
