"""Ciphers, filters, access lists and realms of a real Sendmail: seen, found, and ended by the cure."""

import subprocess
from collections.abc import Iterator

import pytest
from lab import Lab
from lab.sendmail import PID_FILE
from mail_hosts import CLIENT
from mail_settings import (
    Seen,
    by_shell,
    ended,
    findings,
    kept,
    no_auth,
    no_tls,
    patience_with,
    refused,
    replaced,
)
from test_live_settings_sendmail import (
    ACCESS,
    DAEMON,
    INCLUDE,
    MC,
    REFUSE,
    TAIL,
    Row,
    Scene,
    below,
    cured,
    follow,
)

pytestmark = pytest.mark.live

WITHOUT_13 = "define(`confSERVER_SSL_OPTIONS', `+SSL_OP_NO_TLSv1_3')dnl\n"
HOSTS = "/etc/hosts"


def ciphers(text: str) -> str:
    return below(f"{WITHOUT_13}define(`confCIPHER_LIST', `{text}')dnl")


def dead_filter(flag: str) -> str:
    return below(f"INPUT_MAIL_FILTER(`dead', `S=local:/run/dead.sock, F={flag}')dnl")


def nothing(seen: Seen) -> bool:
    """Tell whether no session came as far as a recipient."""
    return seen.relays == 0


ROWS = [
    Row("ciphers without encryption", INCLUDE, ciphers("NULL:@SECLEVEL=0"), "MTA033", no_tls),
    Row("ciphers without authentication", INCLUDE, ciphers("aNULL:@SECLEVEL=0"), "MTA033", no_tls),
    Row("ciphers for another kind of key", INCLUDE, ciphers("aRSA"), "MTA033", no_tls),
    Row("ciphers that nobody knows", INCLUDE, ciphers("NONSENSE"), "MTA033", no_tls),
    Row("larger keys", INCLUDE, below("define(`confCIPHER_LIST', `ALL:@SECLEVEL=4')dnl"), "MTA033", no_tls),
    Row("mechanisms", INCLUDE, below("define(`confAUTH_OPTIONS', `c')dnl"), "MTA028", no_auth),
    Row("no time for TLS", INCLUDE, below("define(`confTO_STARTTLS', `0s')dnl"), "MTA028", no_tls),
    Row(
        "a digest",
        INCLUDE,
        below("define(`confCERT_FINGERPRINT_ALGORITHM', `nonsense')dnl"),
        "MTA011",
        no_tls,
    ),
    Row("an engine", INCLUDE, below("define(`confSSL_ENGINE', `nosuch')dnl"), "MTA038", no_tls),
    Row("filter, F=R", INCLUDE, dead_filter("R"), "MTA034", ended),
    Row("filter, F=T", INCLUDE, dead_filter("T"), "MTA034", ended),
    Row("filter, F=4", INCLUDE, dead_filter("4"), "MTA034", ended),
    Row("an address", "", "Connect:192.0.2\tREJECT", "MTA035", refused),
    Row("an address without a tag", "", '192.0.2\tERROR:"550 no"', "MTA035", refused),
    Row("our domain", "", "Connect:polkatistas.org\tREJECT", "MTA035", refused),
    Row("senders of a client host", "", "From:attic.polkatistas.org\tREJECT", "MTA035", refused),
    Row("realm", INCLUDE, f"define(`confAUTH_REALM', `other')dnl\n{INCLUDE}", "MTA037", nothing),
    Row("domain name", INCLUDE, below("define(`confDOMAIN_NAME', `other.example')dnl"), "MTA037", nothing),
    Row("no port", DAEMON, DAEMON.replace("Port=smtp", "Port=26"), "MTA039", nothing),
    Row("check_data", TAIL, f"{TAIL}\nLOCAL_RULESETS\nScheck_data\n{REFUSE}\n", "MTA026", refused),
    Row("an octet too many", INCLUDE, below("define(`confMAX_MESSAGE_SIZE', `20')dnl"), "MTA043", refused),
    Row("headers too long", INCLUDE, below("define(`confMAX_HEADERS_LENGTH', `20')dnl"), "MTA043", refused),
    Row("no time for a message", INCLUDE, below("define(`confTO_DATABLOCK', `0')dnl"), "MTA043", refused),
    Row("relay mailer", INCLUDE, below("define(`confRELAY_MAILER', `nosuch')dnl"), "MTA047", refused),
    Row("check_eom", TAIL, f"{TAIL}\nLOCAL_RULESETS\nScheck_eom\n{REFUSE}\n", "MTA026", refused),
]


@pytest.fixture(scope="module")
def made() -> Iterator[Scene]:
    with Lab() as lab:
        yield Scene(lab)


@pytest.fixture
def scene(made: Scene) -> Iterator[Scene]:
    with kept(made.hub, MC, ACCESS):
        yield made
    made.compile()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_what_switches_the_hub_off_is_found_and_its_cure_ends_it(scene: Scene, row: Row) -> None:
    scene.change(row)
    scene.compile(port=26 if "26" in row.new else 25)
    seen = scene.visitor.visits(sends=True, patience=patience_with(row.is_off))
    assert row.is_off(seen), seen
    found = findings(scene.hub)
    assert row.code in found, (seen, found)
    checked = scene.hub.run("mta", "check", "sendmail-hub")
    assert checked.status == 1
    assert found[row.code] in checked.out
    follow(scene, row, found[row.code])
    assert findings(scene.hub) == {}
    assert scene.visitor.visits(sends=True).relays == 250


def test_clients_without_a_name_in_the_dns_are_refused_until_delay_checks(scene: Scene) -> None:
    with kept(scene.hub, HOSTS):
        hosts = scene.hub.host.path(HOSTS)
        hosts.write_text("".join(x for x in hosts.read_text().splitlines(True) if CLIENT not in x))
        replaced(scene.hub, MC, INCLUDE, f"FEATURE(`require_rdns')dnl\n{INCLUDE}")
        scene.compile()
        assert refused(scene.visitor.visits())
        found = findings(scene.hub)
        assert list(found) == ["MTA036"]
        assert found["MTA036"] in scene.hub.run("mta", "check", "sendmail-hub").out
        cured(scene.hub, found["MTA036"])
        assert scene.visitor.visits().relays == 250


CLOSED = [
    ("define(`confMIN_FREE_BLOCKS', `4000000000')dnl", "rejecting new messages: min free", "MTA043"),
    ("define(`confREFUSE_LA', `1')dnl", "rejecting connections on daemon MTA: load average", "MTA044"),
]


@pytest.mark.parametrize(("line", "said", "code"), CLOSED)
def test_a_daemon_that_takes_no_connection_is_found_until_the_cure(
    scene: Scene, line: str, said: str, code: str
) -> None:
    replaced(scene.hub, MC, INCLUDE, below(line))
    with scene.hub.log.awaits(said), scene.hub.log.awaits("restarting /usr/sbin/sendmail-mta"):
        scene.hub.host.shell(
            f"m4 {MC} > /etc/mail/sendmail.cf && kill -HUP $(head -n 1 /run/sendmail/mta/sendmail.pid)"
        )
    assert scene.visitor.visits(sends=True).relays == 0
    found = findings(scene.hub)
    assert list(found) == [code]
    assert found[code] in scene.hub.run("mta", "check", "sendmail-hub").out
    cured(scene.hub, found[code])
    assert scene.visitor.visits(sends=True).relays == 250


SECOND = [
    (INCLUDE, below("define(`confMAX_DAEMON_CHILDREN', `1')dnl"), "", "MTA044"),
    (INCLUDE, f"FEATURE(`ratecontrol')dnl\n{INCLUDE}", "ClientRate:192.0.2\t1", "MTA045"),
    (INCLUDE, f"FEATURE(`conncontrol')dnl\n{INCLUDE}", "ClientConn:\t1", "MTA045"),
]


@pytest.mark.parametrize(("old", "new", "entry", "code"), SECOND)
def test_who_is_second_is_refused_until_the_cure(
    scene: Scene, old: str, new: str, entry: str, code: str
) -> None:
    replaced(scene.hub, MC, old, new)
    replaced(scene.hub, ACCESS, "", entry)
    scene.compile()
    with scene.visitor.stays():
        assert scene.visitor.visits().relays != 250
    found = findings(scene.hub)
    assert list(found) == [code]
    assert found[code] in scene.hub.run("mta", "check", "sendmail-hub").out
    cured(scene.hub, found[code], restarts=not entry)
    with scene.visitor.stays():
        assert scene.visitor.visits().relays == 250


NO_START = [
    ("confDONT_BLAME_SENDMAIL", "safe,nonsense", "nonsense unrecognized"),
    ("confINPUT_MAIL_FILTERS", "nosuch", "InputFilter nosuch not defined"),
    ("QUEUE_DIR", "/var/spool/nosuch/q*", "can not chdir(/var/spool/nosuch/)"),
    ("confUSE_MSP", "True", "submission program cannot be used as daemon"),
]


@pytest.mark.parametrize(("name", "value", "said"), NO_START)
def test_a_daemon_that_does_not_start_is_found_until_the_cure(
    scene: Scene, name: str, value: str, said: str
) -> None:
    replaced(scene.hub, MC, INCLUDE, below(f"define(`{name}', `{value}')dnl"))
    scene.hub.host.shell(f"m4 {MC} > /etc/mail/sendmail.cf && kill $(head -n 1 {PID_FILE})")
    scene.hub.host.shell(f"while [ -e {PID_FILE} ]; do sleep 0.02; done")
    start = scene.hub.host.namespace.command(("/usr/sbin/sendmail-mta", "-Am", "-L", "sm-mta", "-bd"))
    done = subprocess.run(start, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert said in done.stdout + done.stderr
    found = findings(scene.hub)
    assert list(found) == ["MTA046"]
    assert found["MTA046"] in scene.hub.run("mta", "check", "sendmail-hub").out
    started = "service sendmail restart"
    assert found["MTA046"].endswith(f" && {started}")
    by_shell(scene.hub, found["MTA046"].removesuffix(f" && {started}"))  # which a host of the lab has not
    scene.hub.host.run(("/usr/sbin/sendmail-mta", "-Am", "-L", "sm-mta", "-bd"))
    scene.hub.sendmail.await_daemon()
    assert findings(scene.hub, "MTA") == {}
    assert scene.visitor.visits(sends=True).relays == 250


def test_a_queue_under_any_load_keeps_mail_until_the_cure(scene: Scene) -> None:
    limits = "define(`confQUEUE_LA', `0')dnl\ndefine(`confQUEUE_FACTOR', `1')dnl"
    replaced(scene.hub, MC, INCLUDE, below(limits))
    scene.compile()
    with scene.hub.log.awaits("to=<accordion@example.net>.*stat=queued"):
        assert scene.visitor.visits(sends=True).relays == 250
    found = findings(scene.hub)
    assert list(found) == ["MTA041"]
    assert found["MTA041"] in scene.hub.run("mta", "check", "sendmail-hub").out
    cured(scene.hub, found["MTA041"])
    with scene.hub.log.awaits("to=<accordion@example.net>.*stat=Sent"):
        assert scene.visitor.visits(sends=True).relays == 250


HARMLESS = [
    "define(`confQUEUE_LA', `0')dnl",
    "define(`confDONT_BLAME_SENDMAIL', `GroupReadableKeyFile,MapInUnsafeDirPath')dnl",
    "FEATURE(`delay_checks', `friend')dnl\nFEATURE(`ratecontrol')dnl",
]


@pytest.mark.parametrize("line", HARMLESS)
def test_what_keeps_nobody_out_is_not_found(scene: Scene, line: str) -> None:
    replaced(scene.hub, MC, INCLUDE, f"{line}\n{INCLUDE}")
    replaced(scene.hub, ACCESS, "", "ClientRate:192.0.2\t1")
    scene.compile()
    for _ in range(2):
        with scene.hub.log.awaits("to=<accordion@example.net>.*stat=Sent"):
            assert scene.visitor.visits(sends=True).relays == 250
    assert findings(scene.hub) == {}


@pytest.mark.parametrize("name", ["dnsbl", "enhdnsbl"])
def test_a_block_list_that_is_asked_before_auth_is_found_until_delay_checks(scene: Scene, name: str) -> None:
    no_answer_is_no = f"FEATURE(`{name}', `list.example.net', `', `t')dnl"
    replaced(scene.hub, MC, INCLUDE, f"{no_answer_is_no}\n{INCLUDE}")
    scene.compile()
    assert refused(scene.visitor.visits())
    found = findings(scene.hub)
    assert list(found) == ["MTA036"]
    assert found["MTA036"] in scene.hub.run("mta", "check", "sendmail-hub").out
    cured(scene.hub, found["MTA036"])
    assert scene.visitor.visits().relays == 250


def test_an_access_map_against_us_is_no_fault_where_checks_are_delayed(scene: Scene) -> None:
    replaced(scene.hub, MC, INCLUDE, f"FEATURE(`delay_checks')dnl\n{INCLUDE}")
    replaced(scene.hub, ACCESS, "", "Connect:192.0.2\tREJECT")
    scene.compile()
    assert scene.visitor.visits(sends=True).relays == 250
    assert findings(scene.hub) == {}


def test_a_ruleset_that_nothing_calls_refuses_nobody(scene: Scene) -> None:
    replaced(scene.hub, MC, TAIL, f"{TAIL}\nLOCAL_RULESETS\nSLocal_tls_client\n{REFUSE}\n")
    scene.compile()
    assert scene.visitor.visits(sends=True).relays == 250
    assert findings(scene.hub) == {}
    replaced(scene.hub, MC, "LOCAL_RULESETS\nSLocal_tls_client", "LOCAL_TLS_CLIENT")
    scene.compile()
    assert refused(scene.visitor.visits())
    assert "MTA026" in findings(scene.hub)


def test_ciphers_for_one_network_are_found_and_their_cure_ends_it(scene: Scene) -> None:
    replaced(scene.hub, MC, INCLUDE, f"FEATURE(`tls_session_features')dnl\n{WITHOUT_13}{INCLUDE}")
    replaced(scene.hub, ACCESS, "", "TLS_Srv_Features:192.0.2\tCipherList=NULL;")
    scene.compile()
    assert no_tls(scene.visitor.visits())
    cured(scene.hub, findings(scene.hub)["MTA033"], restarts=False)
    assert scene.visitor.visits(sends=True).relays == 250


def test_an_audit_ends_where_a_file_is_named_at_the_top_of_the_disk(scene: Scene) -> None:
    replaced(scene.hub, MC, INCLUDE, below("define(`confCACERT', `/nosuch.pem')dnl"))
    scene.compile()
    assert refused(scene.visitor.visits(logs_in=False, shows_certificate=True))
    assert findings(scene.hub)
