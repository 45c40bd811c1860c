"""Settings of a real Exim around ours: seen on the wire, found, and ended by the cure."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from admin import HUB
from lab import EXIM, Lab
from mail_hosts import CLIENT, EximClient, EximHub, MailHost, SendmailHub, issue
from mail_settings import Seen, Visitor, by_shell, ended, findings, kept, no_auth, no_tls, refused, replaced

pytestmark = pytest.mark.live

TEMPLATE, MACROS = "/etc/exim4/exim4.conf.template", "/etc/exim4/exim4.conf.localmacros"
RCPT = "acl_smtp_rcpt = MAIN_ACL_CHECK_RCPT"
LIST = "acl_check_rcpt:"
OLD = "NORMAL:-VERS-TLS1.3:-VERS-TLS1.2"
OWN = "acl_nobody:\n  deny\nacl_anybody:\n  accept\nacl_through:\n  accept acl = acl_nobody\n"


@dataclass(frozen=True)
class Row:
    """One setting.

    Attributes:
        name: of the row.
        old: what the administrator changed in the template; empty for a line of the macros.
        new: into what.
        code: that the audit has for it.
        is_off: tells by a visit that it matters.
        shows: whether the visitor shows a certificate instead of logging in.
        is_stranger: whether it does neither.
        by_hand: whether the cure is words.
    """

    name: str
    old: str
    new: str
    code: str
    is_off: Callable[[Seen], bool]
    shows: bool = False
    is_stranger: bool = False
    by_hand: bool = False


def relayed(seen: Seen) -> bool:
    return seen.relays == 250


ROWS = [
    Row("auth_advertise_hosts", RCPT, f"{RCPT}\nauth_advertise_hosts =", "MTA203", no_auth),
    Row("tls_advertise_hosts", "", "MAIN_TLS_ADVERTISE_HOSTS = :", "MTA203", no_tls),
    Row("tls_try_verify_hosts", "", "MAIN_TLS_TRY_VERIFY_HOSTS == :", "MTA204", refused, True),
    Row(
        "deny first",
        LIST,
        f"{LIST}\n  deny\n    message = not here\n    domains = ! +local_domains : ! +relay_to_domains\n",
        "MTA205",
        refused,
    ),
    Row("require first", LIST, f"{LIST}\n  require domains = +local_domains\n", "MTA205", refused),
    Row(
        "acl_smtp_mail",
        "acl_check_mail:",
        "acl_check_mail:\n  deny hosts = !+relay_from_hosts\n",
        "MTA205",
        refused,
    ),
    Row(
        "acl_smtp_auth",
        RCPT,
        f"{RCPT}\nacl_smtp_auth = acl_nobody\n",
        "MTA205",
        refused,
        by_hand=True,
    ),
    Row("nested, of rcpt", LIST, f"{LIST}\n  deny acl = acl_anybody\n", "MTA205", refused),
    Row(
        "nested, of mail",
        "acl_check_mail:",
        "acl_check_mail:\n  require acl = acl_nobody\n",
        "MTA205",
        refused,
    ),
    Row("inline", RCPT, "acl_smtp_rcpt = deny", "MTA205", refused, by_hand=True),
    Row(
        "nested, of connect",
        RCPT,
        f"{RCPT}\nacl_smtp_connect = acl_through\n",
        "MTA205",
        ended,
        by_hand=True,
    ),
    Row("tls_verify_hosts", RCPT, f"{RCPT}\ntls_verify_hosts = *", "MTA209", ended),
    Row("tls_require_ciphers", RCPT, f"{RCPT}\ntls_require_ciphers = {OLD}", "MTA209", no_tls),
    Row("tls_on_connect_ports", RCPT, f"{RCPT}\ntls_on_connect_ports = 25", "MTA207", ended),
    Row(
        "whoever names a sender",
        LIST,
        f"{LIST}\n  accept sender_domains = {CLIENT}\n",
        "MTA206",
        relayed,
        is_stranger=True,
        by_hand=True,
    ),
    Row("accept first", LIST, f"{LIST}\n  accept\n", "MTA206", relayed, is_stranger=True, by_hand=True),
]


class Scene:
    def __init__(self, lab: Lab) -> None:
        self.hub = EximHub(lab)
        self.hub.host.path("/proc/loadavg").write_text("0.50 0.50 0.50 1/100 100\n")
        self.hub.exim.start()  # of Debian's files as they are
        self.stock = findings(self.hub, "MTA")
        self.hub.exim.stop()
        self.client = MailHost(lab.host(CLIENT, EXIM))
        issue(self.hub, self.client)
        self.hub.start("--relay-host", CLIENT)
        self.visitor = Visitor(self.hub, self.client)
        path = self.hub.host.path(TEMPLATE)
        path.write_text(path.read_text().replace("begin acl\n", f"begin acl\n{OWN}", 1))
        self.make()

    def make(self, *, is_open: bool = True) -> None:
        """Do what the administrator does after a change, and wait for the port, if it is to be open."""
        starts = self.hub.starts()
        self.hub.exim.reload()
        self.hub.await_start(starts + 1, is_open=is_open)

    def change(self, row: Row) -> None:
        replaced(self.hub, TEMPLATE if row.old else MACROS, row.old, row.new)


@pytest.fixture(scope="module")
def made() -> Iterator[Scene]:
    with Lab() as lab:
        yield Scene(lab)


@pytest.fixture
def scene(made: Scene) -> Iterator[Scene]:
    with kept(made.hub, TEMPLATE, MACROS):
        yield made
    made.make()


def test_nothing_is_found_where_nothing_is_off(scene: Scene) -> None:
    assert scene.stock == {}
    assert findings(scene.hub, "MTA") == {}
    assert "ok" in scene.hub("mta", "check", "exim-hub")
    assert scene.visitor.visits().relays == 250
    assert scene.visitor.visits(logs_in=False, shows_certificate=True).relays == 250
    assert scene.visitor.visits(logs_in=False).relays >= 400


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_switches_the_hub_off_is_found_and_its_cure_ends_it(scene: Scene, row: Row) -> None:
    def visit() -> Seen:
        return scene.visitor.visits(
            logs_in=not row.shows and not row.is_stranger, shows_certificate=row.shows
        )

    scene.change(row)
    scene.make()
    seen = visit()
    assert row.is_off(seen), seen
    found = findings(scene.hub, "MTA")
    assert row.code in found, (seen, found)
    assert found[row.code] in scene.hub.run("mta", "check", "exim-hub").out
    if row.by_hand:
        assert "take " in found[row.code] or "accept" in found[row.code]
        return
    starts = scene.hub.starts()
    by_shell(scene.hub, found[row.code])
    scene.hub.await_start(starts + 1)
    assert findings(scene.hub, "MTA") == {}
    assert visit().relays == 250


TRANSPORT = "/etc/exim4/smtpcreds/client-transport.conf"
CLIENT_ROWS = [
    ("  tls_verify_hosts = *", "  tls_try_verify_hosts = *"),
    ("  tls_verify_hosts = *", "  tls_verify_hosts = :"),
]


@pytest.fixture(scope="module")
def sender() -> Iterator[EximClient]:
    """A client host, whose hub is an impostor with a certificate of another authority."""
    with Lab() as lab:
        hub = SendmailHub(lab)
        hub.start()
        client = EximClient(lab, hub)
        client.start(hub.secret())
        hub("--root", "/var/impostor", "setup", HUB, "--no-passphrase")
        hub.host.shell("cp /var/impostor/etc/mail/certs/*.pem /etc/mail/certs")
        hub.sendmail.reload()
        yield client


@pytest.mark.parametrize(("ours", "theirs"), CLIENT_ROWS)
def test_a_transport_that_does_not_verify_logs_in_at_an_impostor_until_the_cure(
    sender: EximClient, ours: str, theirs: str
) -> None:
    path = sender.host.path(TRANSPORT)
    kept = path.read_text()
    assert ours in kept
    path.write_text(kept.replace(ours, theirs))
    sender.host.run(("update-exim4.conf",))
    sender.exim.forget_failures()
    assert " A=smtpcreds_cram_md5" in sender.send()
    found = findings(sender, "MTA208")
    checked = sender.run("mta", "check", "exim-client", "--password", "stdin:", stdin=b"any")
    assert found["MTA208"] in checked.out
    by_shell(sender, found["MTA208"])
    assert findings(sender, "MTA208") == {}
    sender.exim.forget_failures()
    assert re.search(r"== .* defer .*certificate verification failed", sender.send())
    path.write_text(kept)


BEFORE_LOGIN = ("hosts_avoid_esmtp = *", f"tls_require_ciphers = {OLD}", "tls_verify_certificates =")


@pytest.fixture(scope="module")
def trusting() -> Iterator[EximClient]:
    """A client host, whose hub is the right one."""
    with Lab() as lab:
        hub = SendmailHub(lab)
        hub.start()
        client = EximClient(lab, hub)
        client.start(hub.secret())
        yield client


@pytest.mark.parametrize("option", BEFORE_LOGIN)
def test_a_transport_that_does_not_get_as_far_as_auth_is_found_until_the_cure(
    trusting: EximClient, option: str
) -> None:
    path = trusting.host.path(TRANSPORT)
    kept = path.read_text()
    name = option.partition(" ")[0]
    others = "".join(line for line in kept.splitlines(keepends=True) if name not in line)
    path.write_text(others.replace("  driver = smtp\n", f"  driver = smtp\n  {option}\n"))
    trusting.host.run(("update-exim4.conf",))
    trusting.exim.forget_failures()
    assert " == " in trusting.send()
    found = findings(trusting, "MTA210")
    checked = trusting.run("mta", "check", "exim-client", "--password", "stdin:", stdin=b"any")
    assert found["MTA210"] in checked.out
    by_shell(trusting, found["MTA210"])
    assert findings(trusting, "MTA210") == {}
    trusting.exim.forget_failures()
    assert " A=smtpcreds_cram_md5" in trusting.send()
    path.write_text(kept)


ROUTERS = "begin routers\n"
PAST = "past:\n  driver = manualroute\n  domains = ! +local_domains\n  transport = remote_smtp\n"
FAILS = "fails:\n  driver = redirect\n  domains = ! +local_domains\n  allow_fail\n  data = :fail: no\n"
LOSES = [
    (ROUTERS, f"{ROUTERS}{PAST}  route_list = * 192.0.2.1\n", "=> .* R=past", "MTA219"),
    (ROUTERS, f"{ROUTERS}{FAILS}", "[*][*] .* R=fails", "MTA214"),
    (RCPT, f"{RCPT}\nhosts_treat_as_local = *", "== ", "MTA214"),
    (RCPT, f"{RCPT}\nqueue_domains = *", "domain is in queue_domains", "MTA215"),
    (RCPT, f"{RCPT}\nqueue_smtp_domains = *", "first-pass only routing", "MTA215"),
    (RCPT, f"{RCPT}\nhold_domains = *", "domain is held", "MTA215"),
]


@pytest.mark.parametrize(("old", "new", "said", "code"), LOSES)
def test_a_client_hosts_mail_that_stays_or_goes_elsewhere_is_found_until_the_cure(
    trusting: EximClient, old: str, new: str, said: str, code: str
) -> None:
    with kept(trusting, TEMPLATE):
        replaced(trusting, TEMPLATE, old, new)
        trusting.host.run(("update-exim4.conf",))
        trusting.exim.forget_failures()
        assert re.search(said, trusting.send())
        found = findings(trusting, "MTA")
        assert list(found) == [code]
        checked = trusting.run("mta", "check", "exim-client", "--password", "stdin:", stdin=b"any")
        assert found[code] in checked.out
        if ", then: " in found[code]:
            replaced(trusting, TEMPLATE, new, old)
            trusting.host.run(("update-exim4.conf",))
        else:
            by_shell(trusting, found[code])
        assert findings(trusting, "MTA") == {}
        trusting.exim.settle()
        trusting.exim.forget_failures()
        assert " A=smtpcreds_cram_md5" in trusting.send()
