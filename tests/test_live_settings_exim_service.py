"""Whom a real Exim lets in, and where mail goes from there: settings seen, found, and ended by the cure."""

from collections.abc import Iterator

import pytest
from lab import Lab
from mail_settings import by_shell, ended, findings, kept, no_auth, no_tls, refused
from test_live_settings_exim import LIST, MACROS, RCPT, TEMPLATE, Row, Scene

pytestmark = pytest.mark.live

RESERVE = "smtp_accept_max = 5\nsmtp_accept_reserve = 5"
ROUTERS = "begin routers\n"
KEEPER = "keeper:\n  driver = accept\n  domains = ! +local_domains\n  transport = mail_spool\n"
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
    Row("headers too long", *main("header_maxsize = 20"), "MTA217", refused),
    Row("a header too long", *main("header_line_maxsize = 10"), "MTA217", refused),
    Row("a proxy", *main("hosts_proxy = 192.0.2.0/24"), "MTA211", refused),
    Row("all senders", *first("deny senders = *"), "MTA205", refused),
    Row("another port", *main("daemon_smtp_ports = 587"), "MTA216", ended),
    Row("no address", *main("local_interfaces = <; ::1 ; 127.0.0.1"), "MTA216", ended),
]


@pytest.fixture(scope="module")
def made() -> Iterator[Scene]:
    with Lab() as lab:
        yield Scene(lab)


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
    seen = scene.visitor.visits(logs_in=not row.shows, shows_certificate=row.shows, sends=True)
    assert row.is_off(seen), seen
    found = findings(scene.hub, "MTA")
    assert row.code in found, (seen, found)
    assert found[row.code] in scene.hub.run("mta", "check", "exim-hub").out
    follow(scene, row, found[row.code])
    assert findings(scene.hub, "MTA") == {}
    assert scene.visitor.visits(sends=True).relays == 250


LOSING = {
    "a router that fails": (ROUTERS, f"{ROUTERS}{NOWAY}  allow_fail\n  data = :fail: no\n", "MTA214"),
    "a router that swallows": (ROUTERS, f"{ROUTERS}{NOWAY}  data = :blackhole:\n", "MTA214"),
    "a condition": ("smarthost:\n", "smarthost:\n  condition = false\n", "MTA214"),
    "other senders": ("smarthost:\n", "smarthost:\n  senders = *@example.com\n", "MTA214"),
    "a router to verify by": ("smarthost:\n", "smarthost:\n  verify_only\n", "MTA214"),
    "an access list": (*first("discard"), "MTA205"),
    "a router that keeps": (ROUTERS, f"{ROUTERS}{KEEPER}", "MTA214"),
    "an octet too many": (*main("message_size_limit = 100"), "MTA217"),
    "a line too many": (*main("received_headers_max = 1"), "MTA217"),
    "a queue": (*main("queue_only"), "MTA215"),
    "domains that wait": (*main("queue_domains = *"), "MTA215"),
    "domains on hold": (*main("hold_domains = *"), "MTA215"),
    "domains of SMTP": (*main("queue_smtp_domains = *"), "MTA215"),
}
"""What an administrator changed into what, and the code for it."""


@pytest.mark.parametrize("name", LOSING)
def test_mail_that_is_taken_and_does_not_go_out_is_found(scene: Scene, name: str) -> None:
    old, new, code = LOSING[name]
    scene.change(Row(name, old, new, code, ended))
    scene.make()
    starts = len(scene.hub.log.find(r"=> \S+@example\.net .*smarthost"))
    assert scene.visitor.visits(sends=True).relays == 250
    assert len(scene.hub.log.find(r"=> \S+@example\.net .*smarthost")) == starts
    found = findings(scene.hub, "MTA")
    assert list(found) == [code]
    assert found[code] in scene.hub.run("mta", "check", "exim-hub").out
