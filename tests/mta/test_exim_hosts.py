"""Host lists and routers of Exim, as its specification has them."""

import pytest

from smtpcreds.mta import exim_conditions, exim_hosts, exim_routers, exim_rules

LISTS = {"ours": "127.0.0.1 : 192.0.2.0/24", "again": "+again"}
ROUTERS = "begin routers\n"
OUT = "out:\n  driver = dnslookup\n"
MAIL = exim_routers.Mail("example.org", "/nosuch".__eq__, {"authenticated_id": exim_conditions.SET})
LOCAL = "no:\n  driver = redirect\n  domains = +local_domains\n  data = :fail:\n"


@pytest.mark.parametrize(
    ("hosts", "address", "held"),
    [
        ("*", "192.0.2.9", True),
        ("", "192.0.2.9", False),
        ("10.0.0.0/8", "192.0.2.9", False),
        ("10.0.0.0/8", "", None),
        ("localhost : 127.0.0.1", "", False),
        ("<; 127.0.0.1 ; ::1", "", False),
        ("127.0.0.1 : ::::1", "", False),
        ("! 192.0.2.0/24 : *", "192.0.2.9", False),
        ("! 192.0.2.0/24 : *", "192.0.3.9", True),
        ("! 10.0.0.0/8", "192.0.2.9", True),
        ("+ours", "192.0.2.9", True),
        ("+ours", "", None),
        ("+again", "192.0.2.9", None),
        ("+nowhere", "192.0.2.9", None),
        ("attic.example.org", "192.0.2.9", None),
        ("attic.example.org : *", "192.0.2.9", None),
        ("${if eq{1}{2}{*}}", "192.0.2.9", None),
    ],
)
def test_who_is_in_a_list(hosts: str, address: str, held: bool | None) -> None:
    assert exim_hosts.includes(hosts, address, LISTS) is held


@pytest.mark.parametrize(
    ("addresses", "is_closed"),
    [
        ("127.0.0.1", True),
        ("<; 127.0.0.1 ; ::1", True),
        ("127.0.0.1.25", True),
        ("<; [127.0.0.1]:25 ; [::1]:25", True),
        ("127.0.0.1 : 192.0.2.9", False),
        ("0.0.0.0", False),
        ("<; ::0 ; 0.0.0.0", False),
        ("", False),
    ],
)
def test_addresses_of_the_host_itself(addresses: str, is_closed: bool) -> None:
    assert exim_hosts.is_loopback(addresses) is is_closed


@pytest.mark.parametrize(
    ("routers", "is_lost"),
    [
        ("", False),
        ("out:\n  driver = dnslookup\n  domains = ! +local_domains\n", False),
        ("out:\n  driver = manualroute\n  domains = ! *.internal : *\n", False),
        ("out:\n  driver = dnslookup\n  condition = ${if eq{a}{b}}\n", True),
        ("out:\n  driver = dnslookup\n  condition = ${if eq{$domain}{b}}\n", False),
        ("out:\n  driver = dnslookup\n  condition = no\n", True),
        ("out:\n  driver = dnslookup\n  verify_only\n", True),
        ("out:\n  driver = dnslookup\n  senders = *@example.com\n", True),
        ("out:\n  driver = dnslookup\n  condition = ${if def:authenticated_id}\n", False),
        ("out:\n  driver = dnslookup\n  condition = ${if eq{$authenticated_id}{}}\n", True),
        ("gone:\n  driver = redirect\n  data = /dev/null\nout:\n  driver = dnslookup\n", True),
        ("all:\n  driver = accept\n  transport = gone\n", True),
        ("out:\n  driver = dnslookup\n  local_part_prefix = x-\n", True),
        ("out:\n  driver = dnslookup\n  local_part_suffix = -x\n  local_part_suffix_optional\n", False),
        ("out:\n  driver = dnslookup\n  local_parts = nobody : noone\n", True),
        ("out:\n  driver = dnslookup\n  local_parts = ! nobody\n", False),
        ("out:\n  driver = dnslookup\n  require_files = /etc/passwd : /nosuch\n", True),
        ("out:\n  driver = dnslookup\n  require_files = /etc/passwd\n", False),
        ("all:\n  driver = redirect\n  data = ${lookup{$domain}lsearch{/nosuch}}\n" + OUT, True),
        ("out:\n  driver = dnslookup\n  senders = *@example.org\n", False),
        ("some:\n  driver = manualroute\n  domains = lsearch;/etc/routes\n", True),
        ("no:\n  driver = redirect\n  data = :fail: no\nout:\n  driver = dnslookup\n", True),
        (f"{LOCAL}out:\n  driver = dnslookup\n", False),
    ],
)
def test_where_the_mail_of_a_client_host_goes(routers: str, is_lost: bool) -> None:
    conf = exim_rules.parse(f"{ROUTERS}{routers}")
    assert bool(exim_routers.loss(conf, MAIL)) is is_lost
