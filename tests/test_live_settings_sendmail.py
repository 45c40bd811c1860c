"""Settings of a real Sendmail around ours: seen on the wire, found, and ended by the cure."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from admin import HUB
from lab import SENDMAIL, Lab
from lab.sendmail import STARTING
from mail_hosts import CLIENT, FOREIGN, SENDER, MailHost, SendmailMachine, give_secret, issue
from mail_settings import Seen, Visitor, by_shell, ended, findings, kept, no_auth, no_tls, refused, replaced

pytestmark = pytest.mark.live

MC, ACCESS = "/etc/mail/sendmail.mc", "/etc/mail/access"
DAEMON = "DAEMON_OPTIONS(`Family=inet, Name=MTA, Port=smtp')dnl"
INCLUDE = "include(`/etc/mail/smtpcreds/hub.m4')dnl"
LATER = "/etc/mail/m4/later.m4"
REFUSE = 'R$*\t\t$#error $@ 5.7.1 $: "550 not today"'


@dataclass(frozen=True)
class Row:
    """One setting.

    Attributes:
        name: of the row.
        old: what the administrator changed in sendmail.mc; empty for a line of the access map.
        new: into what.
        code: that the audit has for it.
        is_off: tells by a visit that it matters.
        shows: whether the visitor shows a certificate instead of logging in.
    """

    name: str
    old: str
    new: str
    code: str
    is_off: Callable[[Seen], bool]
    shows: bool = False


def modified(letters: str) -> str:
    return DAEMON.replace("Port=smtp", f"Port=smtp, M={letters}")


def below(line: str) -> str:
    return f"{INCLUDE}\n{line}"


def ruleset(name: str, rule: str = REFUSE) -> str:
    return below(f"LOCAL_RULESETS\nS{name}\n{rule}\n")


TAIL = "MAILER(`smtp')dnl"
SUITE = "O CipherSuites=TLS_AES_128_CCM_8_SHA256"
ROWS = [
    Row("M=A", DAEMON, modified("A"), "MTA021", no_auth),
    Row("M=ES", DAEMON, modified("ES"), "MTA021", no_tls),
    Row("M=a", DAEMON, modified("a"), "MTA021", refused, True),
    Row("M=s", DAEMON, modified("s"), "MTA022", ended),
    Row("V", INCLUDE, below("define(`confTLS_SRV_OPTIONS', `V')dnl"), "MTA023", refused, True),
    Row("Srv_Features: A", "", "Srv_Features:\tA", "MTA024", no_auth),
    Row("Srv_Features: S", "", "Srv_Features:192.0.2\tS", "MTA024", no_tls),
    Row("Srv_Features: V", "", "Srv_Features:\tV", "MTA023", refused, True),
    Row("Srv_Features: l", "", "Srv_Features:\tl", "MTA024", refused, True),
    Row(
        "later mechanisms",
        INCLUDE,
        below("define(`confAUTH_MECHANISMS', `GSSAPI')dnl"),
        "MTA017",
        no_auth,
    ),
    Row("later options", INCLUDE, below("define(`confAUTH_OPTIONS', `f')dnl"), "MTA017", no_auth),
    Row("later file", INCLUDE, below(f"include(`{LATER}')dnl"), "MTA017", no_auth),
    Row("options", INCLUDE, below("define(`confAUTH_OPTIONS', `d')dnl"), "MTA028", no_auth),
    Row(
        "versions",
        INCLUDE,
        below(
            "define(`confSERVER_SSL_OPTIONS', `+SSL_OP_NO_TLSv1_2 +SSL_OP_NO_TLSv1_3 +SSL_OP_NO_TLSv1_1')dnl"
        ),
        "MTA028",
        no_tls,
    ),
    Row("TLS_Clt: VERIFY", "", "TLS_Clt:\tVERIFY", "MTA029", refused),
    Row("TLS_Clt: of a host", "", f"TLS_Clt:{CLIENT}\tTEMP+VERIFY:128", "MTA029", refused),
    Row("TLS_Clt: of a network", "", "TLS_Clt:192.0.2\tPERM+VERIFY", "MTA029", refused),
    Row("TLS_Clt: bits", "", "TLS_Clt:\tENCR:512", "MTA029", refused, True),
    Row("another user", INCLUDE, below("define(`confRUN_AS_USER', `mail')dnl"), "MTA042", refused),
    Row("CipherSuites", INCLUDE, below(f"LOCAL_CONFIG\n{SUITE}"), "MTA031", no_tls),
    Row("check_rcpt", TAIL, f"{TAIL}\nLOCAL_RULESETS\nSLocal_check_rcpt\n{REFUSE}\n", "MTA026", refused),
    Row(
        "Relay_Auth",
        TAIL,
        f"{TAIL}\nLOCAL_RULESETS\nSLocal_Relay_Auth\nR$*\t\t$@ NO\n",
        "MTA026",
        refused,
    ),
]


def compile_on(machine: SendmailMachine, port: int = 25) -> None:
    """Make sendmail.cf and the access map anew, and let the daemon read them."""
    with machine.log.awaits(STARTING):
        machine.host.shell(
            "cd /etc/mail && m4 sendmail.mc > sendmail.cf && makemap hash access < access"
            " && kill -HUP $(head -n 1 /run/sendmail/mta/sendmail.pid)"
        )
    machine.sendmail.await_daemon(port)


def cured(machine: SendmailMachine, cure: str, *, restarts: bool = True) -> None:
    """Type a cure as it was printed, wait for the daemon that it restarts, and find nothing any more."""
    with machine.log.awaits(STARTING, int(restarts)):
        by_shell(machine, cure)
    machine.sendmail.await_daemon()
    assert findings(machine, "MTA") == {}


class Scene:
    def __init__(self, lab: Lab) -> None:
        lines = f"define(`SMART_HOST', `[{lab.sink.address}]')dnl\n"
        self.hub = SendmailMachine(lab, HUB, "sendmail-hub", lines)
        self.hub.host.path("/proc/loadavg").write_text("1.50 1.50 1.50 1/100 100\n")
        self.hub("setup", HUB, "--no-passphrase")
        self.client = MailHost(lab.host(CLIENT, SENDMAIL))
        issue(self.hub, self.client)
        self.hub.host.write(LATER, "dnl of the provider\ndefine(`confAUTH_OPTIONS', `f')dnl\n")
        self.hub.apply("--relay-host", CLIENT)
        self.visitor = Visitor(self.hub, self.client)

    def compile(self, port: int = 25) -> None:
        """Do what the administrator does after a change of either file."""
        compile_on(self.hub, port)

    def change(self, row: Row) -> None:
        replaced(self.hub, MC if row.old else ACCESS, row.old, row.new)


@pytest.fixture(scope="module")
def made() -> Iterator[Scene]:
    with Lab() as lab:
        yield Scene(lab)


@pytest.fixture
def scene(made: Scene) -> Iterator[Scene]:
    with kept(made.hub, MC, ACCESS):
        yield made
    made.compile()


def test_nothing_is_found_where_nothing_is_off(scene: Scene) -> None:
    assert findings(scene.hub) == {}
    assert "ok" in scene.hub("mta", "check", "sendmail-hub")
    assert scene.visitor.visits().relays == 250
    assert scene.visitor.visits(logs_in=False, shows_certificate=True).relays == 250
    assert scene.visitor.visits(logs_in=False).relays >= 400


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_switches_the_hub_off_is_found_and_its_cure_ends_it(scene: Scene, row: Row) -> None:
    def visit() -> Seen:
        return scene.visitor.visits(logs_in=not row.shows, shows_certificate=row.shows)

    scene.change(row)
    scene.compile()
    seen = visit()
    assert row.is_off(seen), seen
    found = findings(scene.hub)
    assert row.code in found, (seen, found)
    checked = scene.hub.run("mta", "check", "sendmail-hub")
    assert checked.status == 1
    assert found[row.code] in checked.out
    follow(scene, row, found[row.code])
    assert findings(scene.hub) == {}
    assert visit().relays == 250


def test_an_access_map_that_is_gone_is_found_and_made(scene: Scene) -> None:
    scene.hub.host.run(("rm", ACCESS, f"{ACCESS}.db"))
    assert refused(scene.visitor.visits())
    cure = findings(scene.hub)["MTA007"]
    assert cure in scene.hub.run("mta", "check", "sendmail-hub").out
    by_shell(scene.hub, cure)
    assert scene.visitor.visits().relays == 250
    assert "MTA007" not in findings(scene.hub)


def test_versions_taken_by_tls_session_features_are_found_and_given_back(scene: Scene) -> None:
    replaced(scene.hub, MC, INCLUDE, f"FEATURE(`tls_session_features')dnl\n{INCLUDE}")
    replaced(scene.hub, ACCESS, "", "TLS_Srv_Features:192.0.2\tOptions=SSL_OP_NO_TLSv1_3 SSL_OP_NO_TLSv1_2;")
    scene.compile()
    assert no_tls(scene.visitor.visits())
    cured(scene.hub, findings(scene.hub)["MTA031"], restarts=False)
    assert scene.visitor.visits().relays == 250


def follow(scene: Scene, row: Row, cure: str) -> None:
    """Type a cure that is a command, and do by hand what others say."""
    if ", then: " not in cure:
        cured(scene.hub, cure, restarts=bool(row.old))
        return
    assert MC in cure
    path = scene.hub.host.path(MC)
    path.write_text(path.read_text().replace(row.new, row.old))
    scene.compile()


CLIENT_INCLUDE = "include(`/etc/mail/smtpcreds/client.m4')dnl"
CLIENT_ROWS = [
    ("CLIENT_OPTIONS(`Family=inet, M=A')dnl", "", "550 5.7.1"),
    ("CLIENT_OPTIONS(`Family=inet, Modify=hS')dnl", "", "stat="),
    ("", f"Try_TLS:{HUB}\tNO", "stat="),
    ("", "Try_TLS:\tNO", "stat="),
    ("", "TLS_Rcpt:\tVERIFY+CN:other.example.org", "stat="),
    ("", f"TLS_Rcpt:{FOREIGN}\tENCR:512", "stat="),
]
"""A line of sendmail.mc, or of the access map, and what its mail says then."""


@pytest.fixture(scope="module")
def sender() -> Iterator[SendmailMachine]:
    with Lab() as lab:
        hub = SendmailMachine(lab, HUB, "sendmail-hub", f"define(`SMART_HOST', `[{lab.sink.address}]')dnl\n")
        hub("setup", HUB, "--no-passphrase")
        client = SendmailMachine(lab, CLIENT, "sendmail-client")
        issue(hub, client)
        hub.apply()
        give_secret(hub, client)
        client.apply("--password", "file:/var/lib/secret")
        yield client


@pytest.fixture(autouse=True)
def restored(request: pytest.FixtureRequest) -> Iterator[None]:
    """Leave a client host's files as they were, whatever a test did."""
    if "sender" not in request.fixturenames:
        yield
        return
    with kept(request.getfixturevalue("sender"), MC, ACCESS):
        yield


@pytest.mark.parametrize(("line", "rule", "said"), CLIENT_ROWS)
def test_what_keeps_a_client_host_from_logging_in_is_found_and_its_cure_ends_it(
    sender: SendmailMachine, line: str, rule: str, said: str
) -> None:
    mc, access = sender.host.path(MC), sender.host.path(ACCESS)
    before = mc.read_text(), access.read_text()
    mc.write_text(before[0].replace(CLIENT_INCLUDE, f"{CLIENT_INCLUDE}\n{line}"))
    access.write_text(f"{before[1]}{rule}\n")
    compile_on(sender)
    answer = sender.send()
    assert said in answer
    assert "stat=Sent" not in answer
    found = findings(sender, "MTA")
    code = "MTA029" if "TLS_" in rule and "Try" not in rule else "MTA025"
    assert list(found) == [code]
    assert found[code] in sender.run("mta", "check", "sendmail-client").out
    cured(sender, found[code], restarts=bool(line))
    assert "stat=Sent" in sender.send()


SUBMIT = "/etc/mail/submit.mc"


def test_users_mail_that_passes_by_the_daemon_with_credentials_is_found_until_the_cure(
    sender: SendmailMachine,
) -> None:
    compile_on(sender)
    assert "stat=Sent" in sender.send()
    stock = sender.host.path(SUBMIT).read_text()
    assert "`[127.0.0.1]'" in stock
    past = stock.replace("`[127.0.0.1]'", f"`[{HUB}]'")
    sender.host.write(SUBMIT, past)
    sender.host.shell(f"m4 {SUBMIT} > /etc/mail/submit.cf")
    refusal = sender.host.namespace.command(("/usr/sbin/sendmail", "-i", "-f", SENDER, FOREIGN))
    with sender.log.awaits(r"sendmail\[\d+\]: \w+: to=accordion@.*relay=dmzmail.* Relaying denied"):
        subprocess.run(refusal, input=b"Subject: polka\n\nRosamunde\n", check=False)
    found = findings(sender, "MTA")
    assert list(found) == ["MTA032"]
    assert found["MTA032"] in sender.run("mta", "check", "sendmail-client").out
    sender.host.write(SUBMIT, f"{past}LOCAL_CONFIG\nXnothing\n")
    made = sender.host.path("/etc/mail/submit.cf").read_bytes()
    with pytest.raises(AssertionError, match=r"submit\.cf\.new: line \d+: Xnothing: empty"):
        by_shell(sender, found["MTA032"])
    assert sender.host.path("/etc/mail/submit.cf").read_bytes() == made, "a result that Sendmail refuses"
    sender.host.write(SUBMIT, past)
    cured(sender, found["MTA032"], restarts=False)
    assert "stat=Sent" in sender.send()


def test_users_mail_to_a_port_that_demands_auth_is_found_until_the_modifier_goes(
    sender: SendmailMachine,
) -> None:
    stock = sender.host.path(SUBMIT).read_text()
    sender.host.write(SUBMIT, stock.replace("`[127.0.0.1]', `25'", "`[127.0.0.1]', `MSA'"))
    sender.host.shell(f"m4 {SUBMIT} > /etc/mail/submit.cf")
    closed = DAEMON.replace("Port=smtp", "Port=submission, M=Ea, Addr=127.0.0.1").replace("=MTA", "=MSP")
    replaced(sender, MC, DAEMON, f"{DAEMON}\n{closed}")
    compile_on(sender)
    submits = sender.host.namespace.command(("/usr/sbin/sendmail", "-i", "-f", SENDER, FOREIGN))
    starts = len(sender.log.find(r"530 5\.7\.0 Authentication required"))
    subprocess.run(submits, input=b"Subject: polka\n\nRosamunde\n", check=False)
    sender.log.wait(r"530 5\.7\.0 Authentication required", starts + 1)
    found = findings(sender, "MTA")
    assert list(found) == ["MTA032"]
    assert "take a out of M=Ea" in found["MTA032"]
    replaced(sender, MC, "M=Ea", "M=E")
    compile_on(sender)
    assert findings(sender, "MTA") == {}
    assert "stat=Sent" in sender.send()
    sender.host.write(SUBMIT, stock)
    sender.host.shell(f"m4 {SUBMIT} > /etc/mail/submit.cf")


def test_users_mail_to_a_daemon_that_listens_elsewhere_is_found_until_a_line_for_it(
    sender: SendmailMachine,
) -> None:
    outside = DAEMON.replace("Port=smtp", f"Port=smtp, Addr={sender.host.address}")
    replaced(sender, MC, DAEMON, outside)
    compile_on(sender)
    submits = sender.host.namespace.command(("/usr/sbin/sendmail", "-i", "-f", SENDER, FOREIGN))
    with sender.log.awaits(r"sendmail\[\d+\]: .*Deferred: Connection refused by \[127"):
        subprocess.run(submits, input=b"Subject: polka\n\nRosamunde\n", check=False)
    found = findings(sender, "MTA")
    assert list(found) == ["MTA032"]
    assert found["MTA032"] in sender.run("mta", "check", "sendmail-client").out
    line = found["MTA032"].partition(" in /etc")[0]
    replaced(sender, MC, outside, f"{outside}\n{line}")
    compile_on(sender)
    assert findings(sender, "MTA") == {}
    assert "stat=Sent" in sender.send()


SENDING = [
    ("define(`confHELO_NAME', `not valid')dnl", "reply=501"),
    ("define(`RELAY_MAILER_ARGS', `TCP $h 26')dnl", "stat=Deferred: Connection refused"),
    ("CLIENT_OPTIONS(`Family=inet, Addr=127.0.0.1')dnl", "stat=Deferred: Invalid argument"),
]


@pytest.mark.parametrize(("line", "said"), SENDING)
def test_a_client_host_that_gets_no_mail_to_its_hub_is_found_until_the_cure(
    sender: SendmailMachine, line: str, said: str
) -> None:
    replaced(sender, MC, CLIENT_INCLUDE, f"{CLIENT_INCLUDE}\n{line}")
    compile_on(sender)
    assert said in sender.send()
    found = findings(sender, "MTA")
    assert list(found) == ["MTA047"]
    assert found["MTA047"] in sender.run("mta", "check", "sendmail-client").out
    cured(sender, found["MTA047"])
    assert "stat=Sent" in sender.send()


CLIENT_OPTIONS = {
    "ciphers": ("+SSL_OP_NO_TLSv1_3", "define(`confCIPHER_LIST', `NULL')dnl", "MTA033"),
    "a gap of versions": ("+SSL_OP_NO_TLSv1_2", "dnl", "MTA028"),
    "versions": ("+SSL_OP_NO_TLSv1_3 +SSL_OP_NO_TLSv1_2", "dnl", "MTA028"),
}


@pytest.mark.parametrize("name", CLIENT_OPTIONS)
def test_a_client_host_without_a_cipher_or_version_is_found_until_the_cure(
    sender: SendmailMachine, name: str
) -> None:
    options, more, code = CLIENT_OPTIONS[name]
    line = f"define(`confCLIENT_SSL_OPTIONS', `{options}')dnl"
    replaced(sender, MC, CLIENT_INCLUDE, f"{CLIENT_INCLUDE}\n{line}\n{more}")
    compile_on(sender)
    assert "TLS handshake failed" in sender.send()
    found = findings(sender, "MTA")
    assert list(found) == [code]
    assert found[code] in sender.run("mta", "check", "sendmail-client").out
    cured(sender, found[code])
    assert "stat=Sent" in sender.send()


TABLE = "/etc/mail/mailertable"


def test_mail_that_a_table_takes_past_the_hub_is_found_until_the_cure(sender: SendmailMachine) -> None:
    replaced(sender, MC, CLIENT_INCLUDE, f"FEATURE(`mailertable', `hash {TABLE}')dnl\n{CLIENT_INCLUDE}")
    compile_on(sender)
    assert "stat=queued" in sender.send()
    by_shell(sender, findings(sender)["MTA007"])
    assert "stat=Sent" in sender.send()
    sender.host.write(TABLE, f"polkatistas.org\tsmtp:[{HUB}]\nexample.net\tesmtp:[192.0.2.1]\n")
    sender.host.shell(f"makemap hash {TABLE} < {TABLE}")
    compile_on(sender)
    assert "relay=[192.0.2.1]" in sender.send()
    found = findings(sender, "MTA")
    assert list(found) == ["MTA040"]
    assert found["MTA040"] in sender.run("mta", "check", "sendmail-client").out
    cured(sender, found["MTA040"], restarts=False)
    assert f"relay={HUB}" in sender.send()


def test_mail_that_waits_for_the_queue_is_found_until_the_cure(sender: SendmailMachine) -> None:
    mode = "define(`confDELIVERY_MODE', `queueonly')dnl"
    replaced(sender, MC, CLIENT_INCLUDE, f"{CLIENT_INCLUDE}\n{mode}")
    compile_on(sender)
    assert "stat=queued" in sender.send()
    found = findings(sender, "MTA")
    assert list(found) == ["MTA041"]
    assert found["MTA041"] in sender.run("mta", "check", "sendmail-client").out
    cured(sender, found["MTA041"])
    assert "stat=Sent" in sender.send()
