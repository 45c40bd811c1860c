"""Whom a real Exim lets in, and where mail goes from there: settings seen, found, and ended by the cure."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from lab import Lab
from mail_hosts import CLIENT
from mail_settings import by_shell, ended, findings, kept, no_auth, no_tls, patience_with, refused
from test_live_settings_exim import LIST, MACROS, RCPT, TEMPLATE, Row, Scene

pytestmark = pytest.mark.live

RESERVE = "smtp_accept_max = 5\nsmtp_accept_reserve = 5"
ROUTERS = "begin routers\n"
KEEPER = "keeper:\n  driver = accept\n  domains = ! +local_domains\n  transport = mail_spool\n"
LOOKS = "  data = ${lookup{x}lsearch{/nosuch}}\n"
NOT_THEM = "  condition = ${if !def:authenticated_id}\n"
NOWAY = "noway:\n  driver = redirect\n  domains = ! +local_domains\n"


def main(line: str) -> tuple[str, str]:
    return RCPT, f"{RCPT}\n{line}"


def ciphers(text: str) -> tuple[str, str]:
    return main(f"tls_require_ciphers = {text}")


def first(statement: str) -> tuple[str, str]:
    return LIST, f"{LIST}\n  {statement}\n"


ROWS = [
    Row("AUTH for another network", *main("auth_advertise_hosts = 10.0.0.0/8"), "MTA203", no_auth),
    Row("AUTH for itself", *main("auth_advertise_hosts = localhost : 127.0.0.1"), "MTA203", no_auth),
    Row("AUTH for a list", *main("auth_advertise_hosts = +relay_from_hosts"), "MTA203", no_auth),
    Row("AUTH but for us", *main("auth_advertise_hosts = ! 192.0.2.0/24 : *"), "MTA203", no_auth),
    Row("STARTTLS for itself", "", "MAIN_TLS_ADVERTISE_HOSTS = 127.0.0.1", "MTA203", no_tls),
    Row("other authorities", "", "MAIN_TLS_VERIFY_CERTIFICATES == system", "MTA204", refused, True),
    Row("an address", *first("deny hosts = 192.0.2.0/24"), "MTA205", refused),
    Row("all but a network", *first("deny hosts = ! 10.0.0.0/8"), "MTA205", refused),
    Row("predata", *main("acl_smtp_predata = acl_nobody"), "MTA205", refused),
    Row("fakereject", *first("warn control = fakereject"), "MTA205", refused),
    Row("fakereject in another list", *first("warn acl = acl_refusing"), "MTA205", refused),
    Row("ciphers without encryption", *ciphers("NORMAL:-CIPHER-ALL:+NULL"), "MTA209", no_tls),
    Row("signatures of another key", *ciphers("NORMAL:-SIGN-ALL:+SIGN-RSA-SHA256"), "MTA209", no_tls),
    Row("exchange for another key", *ciphers("NORMAL:-VERS-TLS1.3:-KX-ALL:+RSA"), "MTA209", no_tls),
    Row("nobody", *main("host_reject_connection = 192.0.2.0/24"), "MTA211", ended),
    Row("all reserved", *main(RESERVE), "MTA211", ended),
    Row("helo_verify_hosts", *main("helo_verify_hosts = *"), "MTA212", refused),
    Row("verify = helo", *first("require verify = helo"), "MTA212", refused, by_hand=True),
    Row("no CRL", *main("tls_dhparam = /nosuch"), "MTA213", ended),
    Row("no authorities", "", "MAIN_TLS_VERIFY_CERTIFICATES == /nosuch", "MTA213", ended),
    Row("room that is not there", *main("check_spool_space = 900000G"), "MTA217", refused),
    Row("files that are not there", *main("check_spool_inodes = 2000000000"), "MTA217", refused),
    Row("a refusal without a question", *first("deny condition = yes"), "MTA205", refused),
    Row("a question with one answer", *first("deny condition = ${if eq{a}{a}}"), "MTA205", refused),
    Row(
        "two questions with one answer",
        *first("deny condition = ${if and{{bool{yes}}{>{2}{1}}}}"),
        "MTA205",
        refused,
    ),
    Row("a question that is none", *first("deny condition = ${if true}"), "MTA205", refused),
    Row("an answer that is none", *first("accept condition = nonsense"), "MTA205", refused),
    Row("any load", *main("smtp_load_reserve = 0"), "MTA211", ended),
    Row("headers too long", *main("header_maxsize = 20"), "MTA217", refused),
    Row("a header too long", *main("header_line_maxsize = 10"), "MTA217", refused),
    Row("a proxy", *main("hosts_proxy = 192.0.2.0/24"), "MTA211", refused),
    Row("all senders", *first("deny senders = *"), "MTA205", refused),
    Row("an octet too many", *main("message_size_limit = 100"), "MTA217", refused),
    Row("another port", *main("daemon_smtp_ports = 587"), "MTA216", ended),
    Row("AUTH in clear", *main("auth_advertise_hosts = ${if !def:tls_in_cipher{*}}"), "MTA203", no_auth),
    Row("who logged in", *first("deny condition = ${if def:authenticated_id}"), "MTA205", refused),
    Row("who shows a certificate", *first("deny verify = certificate"), "MTA205", refused, True),
    Row("a host by its name", *first(f"deny hosts = {CLIENT}"), "MTA205", refused),
    Row("a question in the wrong place", *first("warn verify = header_syntax"), "MTA205", refused),
    Row("a list that is not there", *first("deny hosts = net-lsearch;/nosuch"), "MTA205", refused),
    Row("another authenticator", *first("require authenticated = plain_server"), "MTA205", refused),
    Row("an answer of the authority", *main("tls_ocsp_file = /nosuch"), "MTA213", ended),
    Row("a banner", *main("smtp_banner = ${lookup{x}lsearch{/nosuch}}"), "MTA213", ended),
    Row("no address", *main("local_interfaces = <; ::1 ; 127.0.0.1"), "MTA216", ended),
]


DRIVER = 'remote_smtp_smarthost for $local_part@$domain"\n  driver = smtp\n'


def transport(option: str) -> tuple[str, str]:
    return DRIVER, f"{DRIVER}  {option}\n"


class Losing(NamedTuple):
    """What an administrator changed into what, what becomes of a message then, and the code for it."""

    name: str
    old: str
    new: str
    becomes: str
    code: str = "MTA214"


FILTERS = "/etc/exim4/filters"
FILTER_TEXTS = {
    "fail": '# Exim filter\nif first_delivery then\n  fail text "no polka"\nendif\n',
    "freeze": "# Exim filter\nfreeze\n",
    "drop": '#Exim filter\nif $h_subject: contains "finish" then\n  logwrite "x"\nendif\nseen finish\n',
}
OTHERS = """\
acl_frozen:
  accept control = freeze/no_tell
acl_queued:
  accept control = queue
acl_refusing:
  accept control = fakereject
"""
SENT = r"=> accordion@example\.net R=smarthost "
WAITS = r"(?m)^ *\d+[mh] +\d+ \S+ <polkafan@"
"""A line of ``exim -bp``."""


@pytest.fixture(scope="module")
def made() -> Iterator[Scene]:
    with Lab() as lab:
        scene = Scene(lab)
        path = scene.hub.host.path(TEMPLATE)
        path.write_text(path.read_text().replace("begin acl\n", f"begin acl\n{OTHERS}", 1))
        scene.hub.host.run(("mkdir", FILTERS))
        for name, text in FILTER_TEXTS.items():
            scene.hub.host.write(f"{FILTERS}/{name}", text)
        scene.make()
        yield scene


@pytest.fixture
def scene(made: Scene) -> Iterator[Scene]:
    with kept(made.hub, TEMPLATE, MACROS):
        yield made
    made.make()


def follow(scene: Scene, row: Row, cure: str) -> None:
    """Type a cure that is a command, and do by hand what others say."""
    if row.by_hand:
        assert "then: " in cure
        path = scene.hub.host.path(TEMPLATE)
        path.write_text(path.read_text().replace(row.new, row.old))
        scene.make()
        return
    starts = scene.hub.starts()
    by_shell(scene.hub, cure)
    scene.hub.await_start(starts + 1)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_keeps_client_hosts_out_is_found_and_its_cure_ends_it(scene: Scene, row: Row) -> None:
    scene.change(row)
    scene.make(is_open=row.code != "MTA216")
    patience = patience_with(row.is_off)
    seen = scene.visitor.visits(
        logs_in=not row.shows, shows_certificate=row.shows, sends=True, patience=patience
    )
    assert row.is_off(seen), seen
    found = findings(scene.hub, "MTA")
    assert row.code in found, (seen, found)
    assert found[row.code] in scene.hub.run("mta", "check", "exim-hub").out
    follow(scene, row, found[row.code])
    assert findings(scene.hub, "MTA") == {}
    assert scene.visitor.visits(sends=True).relays == 250


BOUNCED = r" \*\* accordion@example\.net"
LOSING = [
    Losing("a router that fails", ROUTERS, f"{ROUTERS}{NOWAY}  allow_fail\n  data = :fail: no\n", BOUNCED),
    Losing("a router that swallows", ROUTERS, f"{ROUTERS}{NOWAY}  data = :blackhole:\n", "=> :blackhole:"),
    Losing("a condition", "smarthost:\n", "smarthost:\n  condition = false\n", BOUNCED),
    Losing("other senders", "smarthost:\n", "smarthost:\n  senders = *@example.com\n", BOUNCED),
    Losing("a router to verify by", "smarthost:\n", "smarthost:\n  verify_only\n", BOUNCED),
    Losing("files that are missing", "smarthost:\n", "smarthost:\n  require_files = /nosuch\n", BOUNCED),
    Losing("an affix", "smarthost:\n", "smarthost:\n  local_part_suffix = -x\n", BOUNCED),
    Losing("a router that waits", ROUTERS, f"{ROUTERS}{NOWAY}{LOOKS}", "== "),
    Losing("no such transport", ROUTERS, f"{ROUTERS}{KEEPER}".replace("mail_spool", "gone"), "== "),
    Losing("who logged in", "smarthost:\n", f"smarthost:\n{NOT_THEM}", BOUNCED),
    Losing("an access list", *first("discard"), "=> blackhole .RCPT ACL discarded", "MTA205"),
    Losing("a router that keeps", ROUTERS, f"{ROUTERS}{KEEPER}", "== .* R=keeper"),
    Losing("a line too many", *main("received_headers_max = 2"), BOUNCED, "MTA217"),
    Losing("a queue", *main("queue_only"), WAITS, "MTA215"),
    Losing("domains that wait", *main("queue_domains = *"), "domain is in queue_domains", "MTA215"),
    Losing("domains on hold", *main("hold_domains = *"), "domain is held", "MTA215"),
    Losing("control = freeze", *first("warn control = freeze/no_tell"), "Message is frozen", "MTA215"),
    Losing(
        "control = queue", *first("accept authenticated = *\n  control = queue"), "queued by ACL", "MTA215"
    ),
    Losing("a load", *main("queue_only_load = 0"), "no immediate delivery: load average", "MTA215"),
    Losing("a file", *main("queue_only_file = /etc/passwd"), WAITS, "MTA215"),
    Losing("AUTH that nobody has", *transport("hosts_require_auth = *"), "authentication required", "MTA218"),
    Losing("no host", *transport("hosts_max_try = 0"), BOUNCED, "MTA218"),
    Losing("an address of its own", *transport("interface = 127.0.0.1"), "== .*defer", "MTA218"),
    Losing("too large to leave", *transport("message_size_limit = 100"), BOUNCED, "MTA218"),
    Losing("another protocol", *transport("protocol = lmtp"), "== .*defer", "MTA218"),
    Losing("a program that is gone", *transport("transport_filter = /nosuch"), "== .*defer", "MTA218"),
    Losing("a filter that returns", *main(f"system_filter = {FILTERS}/fail"), "<= <> R=", "MTA221"),
    Losing("a filter that freezes", *main(f"system_filter = {FILTERS}/freeze"), "[Ff]rozen", "MTA221"),
    Losing("a filter that drops", *main(f"system_filter = {FILTERS}/drop"), "=> discarded", "MTA221"),
    Losing("a filter that is gone", *main(f"system_filter = {FILTERS}/none"), WAITS, "MTA221"),
    Losing("other hosts as itself", *main("hosts_treat_as_local = *"), WAITS),
    Losing("control = freeze in another list", *first("warn acl = acl_frozen"), "is frozen", "MTA215"),
    Losing("control = queue in a required list", *first("require acl = acl_queued"), "queued", "MTA215"),
    Losing("domains of SMTP", *main("queue_smtp_domains = *"), "first-pass only routing", "MTA215"),
]


def fate(scene: Scene) -> str:
    """Send a message; return what log and queue say of it once Exim has come to rest."""
    scene.hub.log.forget()
    assert scene.visitor.visits(sends=True).relays == 250
    scene.hub.exim.settle()
    scene.hub.exim.forget_failures()
    identity = scene.hub.log.wait(r"exim\[\d+\]: (\S+) <= \S+@")[1]
    queue = scene.hub.host.run(("exim4", "-bp")).splitlines()
    return "\n".join(line for line in (*scene.hub.log.lines, *queue) if identity in line)


def test_a_message_goes_out_where_nothing_is_off(scene: Scene) -> None:
    said = fate(scene)
    assert re.search(SENT, said)
    assert " Completed" in said
    assert not any(re.search(losing.becomes, said) for losing in LOSING)


@pytest.mark.parametrize("losing", LOSING, ids=lambda losing: losing.name)
def test_mail_that_is_taken_and_does_not_go_out_is_found_until_the_cure(scene: Scene, losing: Losing) -> None:
    row = Row(losing.name, losing.old, losing.new, losing.code, ended)
    scene.change(row)
    scene.make()
    said = fate(scene)
    assert re.search(losing.becomes, said)
    assert not re.search(SENT, said)
    found = findings(scene.hub, "MTA")
    assert losing.code in found, found
    assert found[losing.code] in scene.hub.run("mta", "check", "exim-hub").out
    if ", then: " not in found[losing.code]:
        follow(scene, row, found[losing.code])
        assert findings(scene.hub, "MTA") == {}
        assert re.search(SENT, fate(scene))
