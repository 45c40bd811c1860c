"""Filters, tables, services and TLS of a real Postfix around ours: seen off, found, ended by the cure.

Each visit goes on to the end of a message.
"""

from collections.abc import Iterator

import pytest
from admin import DOMAIN
from lab import Lab
from mail_hosts import ACCOUNT, FOREIGN
from mail_settings import Seen, by_shell, ended, findings, kept, no_auth, no_tls, patience_with, refused
from postfix_settings import MAIN, MASTER, Row, Scene, for_smtp, set_

from smtpcreds.audit.postfix_forms import FORMS

pytestmark = pytest.mark.live

READ_BY_OTHERS = {
    *("anvil_rate_time_unit", "anvil_status_update_time", "hopcount_limit", "inet_protocols"),
    *("tls_random_bytes", "service_throttle_time", "tls_random_prng_update_period"),
    *("tls_random_reseed_period", "info_log_address_format", "tls_config_file", "tls_random_source"),
}
NOBODY_ANSWERS = "127.0.0.1:9999"
RELAY = "smtpd_relay_restrictions"
PERMIT = "permit_sasl_authenticated, reject_unauth_destination"
SCREEN = "postconf -M 'smtp/inet=smtp inet n - y - 1 postscreen'"
BEHIND = "postconf -M 'smtpd/pass=smtpd pass - - y - - smtpd'"
PROXY = "postconf -M 'tlsproxy/unix=tlsproxy unix - - y - 0 tlsproxy'"


def table(path: str, *lines: str) -> str:
    words = " ".join(f"'{line}'" for line in lines)
    return f"printf '%s\\n' {words} > /etc/postfix/{path}"


def stuck(seen: Seen) -> bool:
    """Tell whether mail is taken, for the queue to keep it."""
    return seen.relays == 250


ROWS = [
    Row(set_("tls_config_file=/nonexistent"), "MTA128", no_tls),
    Row(set_("tls_medium_cipherlist=garbage"), "MTA116", no_tls),
    Row(set_("tls_medium_cipherlist=aNULL:!aNULL"), "MTA116", no_tls),
    Row(
        set_("smtpd_tls_ciphers=high", "tls_high_cipherlist=NULL", "smtpd_tls_protocols=!TLSv1.3"),
        "MTA116",
        no_tls,
    ),
    Row(
        for_smtp("tls_medium_cipherlist=NULL-SHA256") + " && " + set_("smtpd_tls_protocols=!TLSv1.3"),
        "MTA116",
        no_tls,
    ),
    Row(set_("smtpd_tls_fingerprint_digest=sha257"), "MTA128", no_tls),
    Row("postconf -MX tlsmgr/unix", "MTA128", no_tls),
    Row(set_("smtpd_tls_chain_files=", "smtpd_tls_cert_file=none"), "MTA128", no_tls),
    Row(set_(f"smtpd_milters=inet:{NOBODY_ANSWERS}"), "MTA129", no_tls),
    Row(set_("smtpd_milters=local:gone/sock", "milter_default_action=reject"), "MTA129", ended),
    Row(set_("smtpd_milters={ unix:/gone, default_action=tempfail }"), "MTA129", no_tls),
    Row(for_smtp(f"smtpd_proxy_filter={NOBODY_ANSWERS}"), "MTA129", refused),
    Row(for_smtp("content_filter=smtp:[127.0.0.1]:10024"), "MTA129", stuck),
    Row(set_("content_filter=scan:127.0.0.1:10024"), "MTA129", stuck),
    Row(set_("defer_transports=smtp"), "MTA129", stuck),
    Row(set_("default_transport=polka"), "MTA129", stuck),
    Row(
        table("cf", "/^AUTH/ NOOP") + " && " + set_("smtpd_command_filter=regexp:/etc/postfix/cf"),
        "MTA130",
        ended,
    ),
    Row(
        table("cf", "/^STARTTLS/ NOOP") + " && " + set_("smtpd_command_filter=regexp:/etc/postfix/cf"),
        "MTA130",
        no_tls,
    ),
    Row(set_("smtpd_command_filter=static:NOOP"), "MTA130", no_tls),
    Row(set_("smtpd_command_filter=regexp:/nonexistent"), "MTA146", no_tls),
    Row(set_("virtual_alias_maps=hash:/nonexistent"), "MTA146", refused),
    Row(set_("smtpd_noop_commands=AUTH"), "MTA130", ended),
    Row(set_("master_service_disable=smtp.inet"), "MTA131", ended),
    Row(SCREEN, "MTA131", ended),
    Row(f"{SCREEN} && {BEHIND} && postconf -P smtpd/pass/smtpd_sasl_auth_enable=no", "MTA109", no_auth),
    Row(
        f"{SCREEN} && {BEHIND} && {PROXY} && " + set_("postscreen_bare_newline_enable=yes"),
        "MTA134",
        no_auth,
    ),
    Row(set_("relay_domains=polka:/etc/postfix/x"), "MTA148", refused),
    Row(
        table("v", "/^a@b$/ c") + " && " + set_("virtual_alias_maps=pcre:/etc/postfix/v"),
        "MTA148",
        refused,
    ),
    Row(
        set_("mynetworks=127.0.0.0/8, 2001:db8::/32", "smtpd_helo_restrictions=permit_mynetworks"),
        "MTA148",
        refused,
    ),
    Row(set_("smtpd_client_restrictions=check_client_access /etc/postfix/x"), "MTA148", refused),
    Row(set_("mydestination=/nonexistent"), "MTA146", refused),
    Row(set_("mydestination=static:all"), "MTA149", refused),
    Row(set_("message_reject_characters=e"), "MTA137", refused),
    Row(set_("hopcount_limit=3"), "MTA137", refused),
    Row(set_("queue_file_attribute_count_limit=1"), "MTA136", refused),
    Row(set_("smtpd_milters=polka"), "MTA129", no_tls),
    Row(set_("message_size_limit=100"), "MTA137", refused),
    Row(set_("message_size_limit=-1"), "MTA136", refused),
    Row(set_("queue_minfree=900000000000000"), "MTA137", refused),
    Row(set_("header_checks=static:REJECT"), "MTA137", refused),
    Row(set_("smtpd_data_restrictions=reject"), "MTA110", refused),
    Row(
        set_("smtpd_restriction_classes=a,b", "a=b", "b=reject", "smtpd_data_restrictions=a"),
        "MTA110",
        refused,
    ),
    Row(set_("smtpd_end_of_data_restrictions=reject"), "MTA110", refused),
    Row(
        table("cidr", "0.0.0.0/0 REJECT")
        + " && "
        + set_("smtpd_end_of_data_restrictions=check_client_access cidr:/etc/postfix/cidr"),
        "MTA110",
        refused,
    ),
    Row(
        table("re", "/./ REJECT no")
        + " && "
        + set_(f"smtpd_recipient_restrictions=check_recipient_access regexp:/etc/postfix/re, {PERMIT}"),
        "MTA110",
        refused,
    ),
    Row(
        table("own", f"{DOMAIN} REJECT that is me")
        + " && "
        + set_("smtpd_sender_restrictions=check_sender_access texthash:/etc/postfix/own"),
        "MTA110",
        refused,
    ),
    Row(
        table("own", f"{DOMAIN} 554 that is me")
        + " && "
        + for_smtp("smtpd_helo_restrictions=check_helo_access,texthash:/etc/postfix/own"),
        "MTA110",
        refused,
    ),
    Row(set_("smtpd_client_restrictions=check_client_access hash:/nonexistent"), "MTA110", refused),
    Row(set_("smtpd_sender_restrictions=check_sasl_access hash:/nonexistent"), "MTA110", refused),
    Row(set_("smtpd_client_restrictions=gibberish"), "MTA110", refused),
    Row(set_("smtpd_client_restrictions=check_client_access static:allow"), "MTA110", refused),
    Row(set_("smtpd_helo_restrictions=static:deny"), "MTA110", refused),
    Row(set_("smtpd_tls_protocols=TLSv1.2, TLSv1.4"), "MTA123", no_tls),
    Row(set_("smtpd_noop_commands=static:all"), "MTA130", no_tls),
    Row(set_("tls_config_file=openssl.cnf"), "MTA136", no_tls),
    Row(set_("smtpd_data_restrictions=texthash:/etc/postfix/main.cf"), "MTA110", refused),
    Row(set_(f"{RELAY}=$ours", "ours=permit_mynetworks, reject_unauth_destination"), "MTA110", refused),
    Row(set_("smtpd_tls_security_level=${x?may}"), "MTA102", no_tls),
    Row(set_("smtpd_sender_restrictions=reject_unknown_sender_domain"), "MTA126", refused),
    Row(set_(f"smtpd_recipient_restrictions=reject_unknown_recipient_domain, {PERMIT}"), "MTA144", refused),
    Row(
        table("owners", f"@attic.{DOMAIN} other, {ACCOUNT}")
        + " && "
        + set_(
            "smtpd_sender_restrictions=reject_authenticated_sender_login_mismatch",
            "smtpd_sender_login_maps=texthash:/etc/postfix/owners",
        ),
        "MTA133",
        refused,
    ),
]
OPEN = [
    (set_(f"{RELAY}=check_sender_access inline:{{attic.{DOMAIN}=OK}}, reject_unauth_destination"), "MTA132"),
    (
        table("re", "/@attic/ permit")
        + " && "
        + set_(f"{RELAY}=check_sender_access regexp:/etc/postfix/re, {PERMIT}"),
        "MTA132",
    ),
    (
        table("claim", f"{DOMAIN} OK")
        + " && "
        + set_(f"{RELAY}=check_helo_access texthash:/etc/postfix/claim, {PERMIT}"),
        "MTA132",
    ),
    (
        table("cidr", "0.0.0.0/0 OK")
        + " && "
        + set_(f"{RELAY}=check_client_access cidr:/etc/postfix/cidr, {PERMIT}"),
        "MTA132",
    ),
    (table("cidr", "0.0.0.0/0 OK") + " && " + set_("mynetworks=cidr:/etc/postfix/cidr"), "MTA111"),
    (set_("mynetworks=127.0.0.0/8, 0.0.0.0/1, 128.0.0.0/1"), "MTA111"),
    (set_("relay_domains=static:all"), "MTA111"),
    (set_("relay_domains=net"), "MTA111"),
    *(
        (
            table("to", f"{recipients} OK")
            + " && "
            + set_(f"{RELAY}=check_recipient_access texthash:/etc/postfix/to, {PERMIT}"),
            "MTA142",
        )
        for recipients in ("example.net", f"{FOREIGN.partition('@')[0]}@")
    ),
]


@pytest.fixture(scope="module")
def made() -> Iterator[Scene]:
    with Lab() as lab:
        yield Scene(lab)


@pytest.fixture
def scene(made: Scene) -> Iterator[Scene]:
    with kept(made.hub, MAIN, MASTER):
        yield made


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.change)
def test_what_switches_the_hub_off_is_found_and_its_cure_ends_it(scene: Scene, row: Row) -> None:
    scene.typed(row.change)
    seen = scene.visitor.visits(sends=True, patience=patience_with(row.is_off))
    assert row.is_off(seen), seen
    found = scene.checked(row.code)
    scene.cured(found)
    if row.is_off is ended:
        scene.restart()
    else:
        scene.hub.postfix.reload()
    assert scene.visitor.visits(sends=True).relays == 250


@pytest.mark.parametrize(
    ("change", "logged", "code"),
    [
        ("tls_random_source=dev:/nonexistent", "cannot open entropy device", "MTA128"),
        ("tls_random_exchange_name=/nonexistent/x", "cannot open PRNG exchange file", "MTA128"),
        ("smtpd_client_connection_count_limit=many", "bad numerical configuration", "MTA136"),
        ("smtpd_sasl_auth_enable=ja", "bad boolean configuration", "MTA136"),
        ("smtpd_timeout=0s", "invalid smtpd_timeout", "MTA136"),
        ("smtpd_tls_security_level=dane", "Invalid TLS level", "MTA128"),
        ("smtpd_restriction_classes=polka", "needs a definition", "MTA110"),
        ("alias_maps=polka", 'expecting "type:name" form', "MTA148"),
    ],
)
def test_who_has_to_wait_for_ever_is_told_why(scene: Scene, change: str, logged: str, code: str) -> None:
    scene.typed(set_(change))
    with scene.hub.log.awaits(logged):
        scene.visitor.knocks()
    scene.cured(scene.checked(code))
    scene.restart()
    assert scene.visitor.visits(sends=True).relays == 250


@pytest.mark.parametrize(("change", "code"), OPEN)
def test_who_lets_strangers_relay_is_found_and_closed(scene: Scene, change: str, code: str) -> None:
    scene.typed(change)
    assert scene.visitor.visits(logs_in=False).relays == 250
    scene.cured(scene.checked(code))
    scene.hub.postfix.reload()
    assert scene.visitor.visits(logs_in=False).relays >= 400


def test_who_may_say_where_others_come_from_lets_them_relay(scene: Scene) -> None:
    scene.typed(set_("smtpd_authorized_xclient_hosts=0.0.0.0/0"))
    assert scene.visitor.claims("ADDR=127.0.0.1 NAME=localhost") == 250
    scene.cured(scene.checked("MTA111"))
    scene.hub.postfix.reload()
    assert scene.visitor.claims("ADDR=127.0.0.1 NAME=localhost") >= 400


def test_who_may_have_one_connection_gets_no_second(scene: Scene) -> None:
    scene.typed(set_("smtpd_client_connection_count_limit=1"))
    with scene.visitor.stays():
        assert ended(scene.visitor.visits())
    scene.cured(scene.checked("MTA151"))
    scene.hub.postfix.reload()
    with scene.visitor.stays():
        assert scene.visitor.visits().relays == 250


def test_who_speaks_ipv6_without_an_address_is_reached_by_nobody(scene: Scene) -> None:
    scene.typed(set_("inet_protocols=ipv6"))
    scene.hub.host.run(("sh", "-c", "postfix stop; postfix start"))
    assert ended(scene.visitor.visits())
    assert "postconf -X inet_protocols" in scene.checked("MTA152")["MTA152"]
    scene.typed("postconf -X inet_protocols")
    scene.restart()
    assert scene.visitor.visits().relays == 250


def test_who_comes_past_the_proxy_is_turned_away_which_is_worth_a_note(scene: Scene) -> None:
    scene.typed(for_smtp("smtpd_upstream_proxy_protocol=haproxy"))
    assert ended(scene.visitor.visits())
    found = findings(scene.hub)
    assert {*found} == {"MTA135"}
    scene.cured(found)
    scene.restart()
    assert scene.visitor.visits().relays == 250


def test_each_value_that_is_told_of_ends_the_service(scene: Scene) -> None:
    """Whatever the installed Postfix knows of them; a service that ends waits for a second before it does."""
    known = {line.partition(" ")[0] for line in scene.hub.host.run(("postconf", "-d")).splitlines()}
    named = [name for name in FORMS if name in known and name not in READ_BY_OTHERS]
    values = [(name, "" if FORMS[name][0].fullmatch("polka") else "polka") for name in named]
    served = "echo QUIT | /usr/lib/postfix/sbin/smtpd -S -o"
    lines = "\n".join(map("=".join, values))
    each = f"""xargs -P 64 -I SETTING sh -c 'test -z "$({served} SETTING)" || echo SETTING'"""
    assert scene.hub.host.shell(f"echo '{lines}' | {each}") == ""
    assert scene.hub.host.shell(f"{served} smtpd_soft_error_limit=1").startswith("220 ")
    by_shell(scene.hub, set_(*map("=".join, values)))
    told = scene.hub.run("audit", "--only", "MTA136").out
    assert [name for name in named if f"says {name}=" not in told] == []


@pytest.mark.parametrize("setting", ["inet_protocols=IPv4", "maillog_file=/srv/log", "line_length_limit=511"])
def test_a_value_with_which_postfix_does_not_start(scene: Scene, setting: str) -> None:
    by_shell(scene.hub, f"{set_(setting)} && ! postfix check")
    by_shell(scene.hub, f"{findings(scene.hub)['MTA136']} && postfix check")


def test_a_table_in_a_directory_that_may_refuse_is_noted(scene: Scene) -> None:
    book = "ldap:/etc/postfix/clients.cf"
    scene.typed(set_(f"smtpd_client_restrictions=check_client_access {book}, permit_sasl_authenticated"))
    assert refused(scene.visitor.visits())
    assert book in findings(scene.hub)["MTA145"]
    by_shell(scene.hub, table("clients.cf", "server_host = localhost"))
    assert book in findings(scene.hub)["MTA141"]
