"""Settings of a real Postfix around ours: seen on the wire, found, and ended by the cure."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pytest
from admin import HUB
from lab import Lab
from mail_hosts import CLIENT, PostfixMachine, give_secret, issue, postfix_hub
from mail_settings import (
    PATIENCE,
    Seen,
    all_cured,
    by_shell,
    ended,
    findings,
    kept,
    no_auth,
    no_tls,
    patience_with,
    refused,
)
from postfix_settings import MAIN, MASTER, Row, Scene, for_smtp, set_

from smtpcreds.audit.postfix_forms import BETWEEN, SENDING

pytestmark = pytest.mark.live

RELAY = "smtpd_relay_restrictions"
NOBODY_ANSWERS = "127.0.0.1:9999"
PERMIT = "permit_sasl_authenticated, reject_unauth_destination"
HUB_ROWS = [
    Row(for_smtp("smtpd_sasl_auth_enable=no"), "MTA109", no_auth),
    Row(for_smtp("smtpd_tls_security_level=none"), "MTA102", no_tls),
    Row(set_("smtpd_tls_security_level=none"), "MTA102", no_tls),
    Row(set_("smtpd_discard_ehlo_keywords=silent-discard, auth"), "MTA109", no_auth),
    Row(set_("smtpd_discard_ehlo_keywords=silent-discard, starttls"), "MTA109", no_tls),
    Row(for_smtp("smtpd_discard_ehlo_keywords=auth"), "MTA109", no_auth),
    Row(
        "printf '192.0.2.11 auth\\n' > /etc/postfix/hide && "
        + set_("smtpd_discard_ehlo_keyword_address_maps=texthash:/etc/postfix/hide"),
        "MTA125",
        no_auth,
    ),
    Row(set_("smtpd_sasl_exceptions_networks=192.0.2.0/24"), "MTA125", no_auth),
    Row(set_(f"{RELAY}=permit_mynetworks, reject_unauth_destination"), "MTA110", refused),
    Row(set_(f"{RELAY}=reject_unauth_destination, permit_sasl_authenticated"), "MTA110", refused),
    Row(for_smtp(f"{RELAY}=permit_mynetworks,defer_unauth_destination"), "MTA110", refused),
    Row(set_("smtpd_recipient_restrictions=permit_mynetworks, reject_unauth_destination"), "MTA110", refused),
    Row(set_(f"{RELAY}=permit_mynetworks, permit_sasl_authenticated"), "MTA110", ended),
    Row(set_(f"{RELAY}=permit, reject_unauth_destination"), "MTA110", ended),
    Row(set_("smtpd_client_restrictions=permit_mynetworks, reject"), "MTA110", refused),
    Row(
        set_("smtpd_client_restrictions=permit_sasl_authenticated, reject", "smtpd_delay_reject=no"),
        "MTA110",
        ended,
    ),
    Row(set_("smtpd_helo_restrictions=check_helo_access static:reject"), "MTA110", refused),
    Row(
        set_(
            "smtpd_restriction_classes=ours",
            "ours=permit_mynetworks, reject",
            "smtpd_sender_restrictions=ours",
        ),
        "MTA110",
        refused,
    ),
    Row(set_("smtpd_sender_restrictions=reject_sender_login_mismatch"), "MTA110", refused),
    Row(set_("smtpd_sender_restrictions=reject_authenticated_sender_login_mismatch"), "MTA110", refused),
    Row(set_("smtpd_sasl_mechanism_filter=digestmd5, crammd5"), "MTA114", ended),
    Row(
        set_("smtpd_sasl_security_options=noanonymous, nodictionary", "smtpd_tls_auth_only=no"),
        "MTA114",
        ended,
    ),
    Row(set_("smtpd_sasl_tls_security_options=noanonymous, forward_secrecy"), "MTA114", ended),
    Row(set_("smtpd_sasl_type=courier"), "MTA117", ended),
    Row(set_("smtpd_sasl_type=dovecot", "smtpd_sasl_path=private/auth"), "MTA117", ended),
    Row(set_("smtpd_sasl_path=other"), "MTA117", ended),
    Row(set_("smtpd_tls_wrappermode=yes"), "MTA122", ended),
    Row(set_("smtpd_tls_protocols=!TLSv1.2, !TLSv1.3"), "MTA123", no_tls),
    Row(set_("smtpd_tls_ciphers=strong"), "MTA116", no_tls),
    Row(set_("smtpd_tls_exclude_ciphers=HIGH, MEDIUM"), "MTA116", no_tls),
    Row(set_("smtpd_tls_ciphers=null", "smtpd_tls_protocols=!TLSv1.3"), "MTA116", no_tls),
    Row(
        set_(f"smtpd_recipient_restrictions=check_policy_service inet:{NOBODY_ANSWERS}, {PERMIT}"),
        "MTA144",
        refused,
    ),
    Row(set_("smtpd_helo_restrictions=reject_unknown_helo_hostname"), "MTA126", refused),
    Row(
        for_smtp("smtpd_tls_security_level=encrypt") + " && " + set_("smtpd_tls_req_ccert=yes"),
        "MTA127",
        ended,
    ),
    Row(set_("smtpd_tls_ask_ccert=no"), "MTA112", refused, True),
    Row(set_("relay_clientcerts="), "MTA112", refused, True),
    Row(set_("smtpd_tls_fingerprint_digest=md5"), "MTA113", refused, True),
    Row(
        set_(f"{RELAY}=permit_sasl_authenticated, reject_unauth_destination, permit_tls_clientcerts"),
        "MTA110",
        refused,
        True,
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


def test_nothing_is_found_where_nothing_is_off(scene: Scene) -> None:
    scene.hub.postfix.reload()
    assert findings(scene.hub) == {}
    assert "ok" in scene.hub("mta", "check", "postfix-hub")
    assert scene.visitor.visits().relays == 250
    assert scene.visitor.visits(logs_in=False, shows_certificate=True).relays == 250
    assert scene.visitor.visits(logs_in=False).relays >= 400


@pytest.mark.parametrize("row", HUB_ROWS, ids=lambda row: row.change)
def test_what_switches_the_hub_off_is_found_and_its_cure_ends_it(scene: Scene, row: Row) -> None:
    def visit(patience: int = PATIENCE) -> Seen:
        return scene.visitor.visits(logs_in=not row.shows, shows_certificate=row.shows, patience=patience)

    scene.typed(row.change)
    seen = visit(patience_with(row.is_off))
    assert row.is_off(seen), seen
    scene.cured(scene.checked(row.code))
    if row.is_off is ended:
        scene.restart()
    else:
        scene.hub.postfix.reload()
    assert visit().relays == 250


def test_a_relay_for_everybody_is_found_and_closed(scene: Scene) -> None:
    scene.typed(set_("mynetworks=127.0.0.0/8, 0.0.0.0/0"))
    assert scene.visitor.visits(logs_in=False).relays == 250
    scene.typed(findings(scene.hub)["MTA111"])
    assert scene.visitor.visits(logs_in=False).relays >= 400
    assert scene.visitor.visits().relays == 250


class ClientRow(NamedTuple):
    """What was typed on the client host, the code, and what its mail did."""

    change: str
    code: str
    status: str


DEFERRED, BOUNCED, SENT = "status=deferred", "status=bounced", "status=sent"
BOOK = "digestmd5,ntlm,crammd5,plain,login,anonymous"
PLAIN = "smtp_sasl_tls_security_options=noplaintext, noanonymous"
HOP = f"[{HUB}]:25"
POLICY = "/etc/postfix/smtpcreds/tls_policy"
CLIENT_ROWS = [
    ClientRow(for_smtp("smtp_sasl_auth_enable=no", "unix"), "MTA119", BOUNCED),
    ClientRow(set_("smtp_sasl_auth_enable=no"), "MTA119", BOUNCED),
    ClientRow(set_(f"smtp_sasl_mechanism_filter={BOOK}", PLAIN), "MTA114", DEFERRED),
    ClientRow(set_(f"smtp_sasl_mechanism_filter={BOOK}"), "MTA115", DEFERRED),
    ClientRow(set_("smtp_sasl_tls_security_options=noanonymous, nodictionary"), "MTA114", DEFERRED),
    ClientRow(set_("smtp_sasl_tls_verified_security_options=forward_secrecy"), "MTA114", DEFERRED),
    ClientRow(
        set_("smtp_tls_connection_reuse=yes") + " && (postconf -MX tlsproxy/unix || true)",
        "MTA128",
        DEFERRED,
    ),
    ClientRow(set_("smtp_never_send_ehlo=yes"), "MTA119", DEFERRED),
    ClientRow(set_("smtp_discard_ehlo_keywords=auth"), "MTA119", BOUNCED),
    ClientRow(set_("smtp_discard_ehlo_keywords=starttls"), "MTA119", DEFERRED),
    ClientRow(
        f"echo '{HOP} may' > /etc/postfix/p && " + set_("smtp_tls_policy_maps=texthash:/etc/postfix/p"),
        "MTA103",
        SENT,
    ),
    ClientRow(
        for_smtp("smtp_tls_security_level=may", "unix") + " && " + set_("smtp_tls_policy_maps="),
        "MTA103",
        SENT,
    ),
    ClientRow(set_("smtp_tls_CAfile="), "MTA121", DEFERRED),
    ClientRow(set_("default_transport=discard:"), "MTA138", SENT),
    ClientRow(set_("relay_domains=example.net", "relay_transport=discard:"), "MTA138", SENT),
    ClientRow(set_("transport_maps=inline:{*=error:no}"), "MTA138", BOUNCED),
    ClientRow(set_("sender_dependent_relayhost_maps=static:[127.0.0.1]:9"), "MTA138", DEFERRED),
    ClientRow(set_("smtp_tls_wrappermode=yes"), "MTA122", DEFERRED),
    ClientRow(set_("smtp_tls_mandatory_protocols=!TLSv1.2, !TLSv1.3"), "MTA123", DEFERRED),
    ClientRow(set_("smtp_tls_mandatory_ciphers=strong"), "MTA116", DEFERRED),
    ClientRow(set_("smtp_tls_mandatory_exclude_ciphers=ALL"), "MTA116", DEFERRED),
    ClientRow(
        f"echo '{HOP} secure match=other.example.org' > /etc/postfix/p && "
        + set_("smtp_tls_policy_maps=texthash:/etc/postfix/p"),
        "MTA124",
        DEFERRED,
    ),
    ClientRow(
        set_("smtp_tls_policy_maps=", "smtp_tls_secure_cert_match=dot-nexthop, .example.org"),
        "MTA124",
        DEFERRED,
    ),
    ClientRow(set_("tls_medium_cipherlist=garbage"), "MTA116", DEFERRED),
    ClientRow(
        f"echo '{HOP} secure ciphers=strong' > /etc/postfix/p && "
        + set_("smtp_tls_policy_maps=texthash:/etc/postfix/p"),
        "MTA116",
        DEFERRED,
    ),
    ClientRow(
        f"echo '{HOP} secure protocols=TLSv1' > /etc/postfix/p && "
        + set_("smtp_tls_policy_maps=texthash:/etc/postfix/p"),
        "MTA116",
        DEFERRED,
    ),
    ClientRow(set_("smtp_tls_policy_maps=static:none"), "MTA103", BOUNCED),
    ClientRow(
        "echo '/./ may' > /etc/postfix/p && " + set_("smtp_tls_policy_maps=regexp:/etc/postfix/p"),
        "MTA103",
        SENT,
    ),
    ClientRow(set_(f"smtp_tls_per_site=inline:{{{HUB}=NONE}}", "smtp_tls_policy_maps="), "MTA103", BOUNCED),
    ClientRow(set_("smtp_tls_policy_maps=", "smtp_tls_security_level=fingerprint"), "MTA113", DEFERRED),
    ClientRow(set_("smtp_tls_fingerprint_digest=sha257"), "MTA128", DEFERRED),
    ClientRow(set_("smtp_tls_CAfile=/nonexistent"), "MTA121", DEFERRED),
    ClientRow(set_("smtp_tls_policy_maps=hash:/nonexistent"), "MTA118", DEFERRED),
    ClientRow(set_("smtp_tls_trust_anchor_file=/nonexistent"), "MTA121", DEFERRED),
    ClientRow(set_("smtp_discard_ehlo_keyword_address_maps=inline:{192.0.2.10=auth}"), "MTA119", BOUNCED),
    ClientRow(
        "echo '/AUTH/ 250-X' > /etc/postfix/rf && " + set_("smtp_reply_filter=regexp:/etc/postfix/rf"),
        "MTA119",
        BOUNCED,
    ),
    ClientRow(set_("smtp_body_checks=regexp:/nonexistent"), "MTA146", DEFERRED),
    ClientRow(set_("smtp_sasl_password_maps=regexp:/nonexistent"), "MTA146", DEFERRED),
    ClientRow(set_("smtp_tls_policy_maps=regexp:/nonexistent"), "MTA146", DEFERRED),
    ClientRow(set_("smtp_reply_filter=polka:x"), "MTA148", DEFERRED),
    ClientRow(set_("smtp_sasl_password_maps=polka:x"), "MTA148", DEFERRED),
    ClientRow(set_("mydestination=static:all"), "MTA149", BOUNCED),
    ClientRow(set_("header_checks=static:REJECT"), "MTA137", BOUNCED),
    ClientRow(set_("smtp_bind_address=127.0.0.1"), "MTA152", DEFERRED),
    ClientRow(
        "cp /etc/postfix/smtpcreds/sasl_passwd /etc/postfix/pw && "
        + set_("smtp_sasl_password_maps=hash:/etc/postfix/pw"),
        "MTA118",
        DEFERRED,
    ),
]


OF_QUEUE = re.compile(
    r"(default|smtp|qmgr|transport|maximal|bounce)_|initial_dest|\w*feedback_debug|address_verify_pend|authorized_"
)


@pytest.fixture(scope="module")
def pair() -> Iterator[PostfixMachine]:
    with Lab() as lab:
        hub = postfix_hub(lab)
        client = PostfixMachine(lab, CLIENT, "postfix-client")
        issue(hub, client)
        hub.apply()
        give_secret(hub, client)
        client.apply("--password", "file:/var/lib/secret")
        yield client


@pytest.fixture
def sender(pair: PostfixMachine) -> Iterator[PostfixMachine]:
    kept = {path: pair.host.path(path).read_text() for path in (MAIN, MASTER)}
    yield pair
    for path, text in kept.items():
        pair.host.path(path).write_text(text)


@pytest.mark.parametrize("row", CLIENT_ROWS, ids=lambda row: row.change)
def test_what_switches_the_client_host_off_is_found_and_its_cure_ends_it(
    sender: PostfixMachine, row: ClientRow
) -> None:
    by_shell(sender, row.change)
    sender.postfix.reload()
    assert row.status in sender.send()
    found = findings(sender, "MTA")
    assert row.code in found, found
    assert found[row.code] in sender.run("mta", "check", "postfix-client").out
    sender.host.run(("postsuper", "-d", "ALL"))
    all_cured(sender, found, "MTA", settle=sender.postfix.settle)
    sender.postfix.reload()
    assert SENT in sender.send()


BY_CLEANUP = {
    *("canonical_classes", "sender_canonical_classes", "recipient_canonical_classes", "masquerade_classes"),
    "propagate_unmatched_extensions",
}
BY_SMTP = {
    *("smtp_dns_resolver_options", "smtp_dns_support_level", "smtp_host_lookup"),
    *("smtp_sasl_auth_cache_name", "smtp_tls_security_level"),
}
BY_SMTPD = {"receive_override_options", "notify_classes"}
MAY_BE_EMPTY = {"masquerade_classes", "propagate_unmatched_extensions", *BY_SMTP, *BY_SMTPD} - {
    "smtp_host_lookup"
} | {"tls_config_file", "tls_random_source"}


def dying(sender: PostfixMachine, service: str, names: Iterable[str], value: str = "") -> set[str]:
    """Return the parameters with whose value a service, started by hand, ends a second later."""
    lines = "\n".join(names)
    served = f"timeout 30 /usr/lib/postfix/sbin/{service} -S -o NAME={value} </dev/null >/dev/null 2>&1"
    each = f"xargs -P 64 -I NAME sh -c '{served}; test $? != 1 || echo NAME'"
    return {*sender.host.shell(f"echo '{lines}' | {each}").split()}


def test_each_value_that_is_told_of_keeps_mail_here(sender: PostfixMachine) -> None:
    """The queue manager does not start by hand, nor does sendmail; they were given theirs by main.cf."""
    known = {line.partition(" ")[0] for line in sender.host.run(("postconf", "-d")).splitlines()}
    known -= MAY_BE_EMPTY
    sending, between = known & SENDING.keys(), known & BETWEEN.keys()
    assert sending - dying(sender, "smtp", sending) == set()
    left = between - dying(sender, "cleanup", between)
    left -= dying(sender, "trivial-rewrite", left)
    assert {name for name in left if not OF_QUEUE.match(name)} == set()
    by_shell(sender, set_(*(f"{name}=" for name in sending | between), "smtp_sasl_password_maps="))
    told = sender.run("audit", "--only", "MTA136").out
    assert {name for name in sending | between if f"says {name}=" not in told} == set()
    for service, names in {"cleanup": BY_CLEANUP, "smtp": BY_SMTP, "smtpd": BY_SMTPD}.items():
        assert dying(sender, service, names, "garbage") == names
        by_shell(sender, set_(*(f"{name}=garbage" for name in names)))
    told = sender.run("audit", "--only", "MTA136").out
    meant = BY_CLEANUP | BY_SMTP | BY_SMTPD
    assert {name for name in meant if f"says {name}=garbage" not in told} == set()
    by_shell(sender, set_("smtp_sasl_auth_enable=yes", "non_smtpd_milters=inet:127.0.0.1:9999"))
    found = sender.run("audit").out
    assert "smtp_sasl_auth_enable=yes and no smtp_sasl_password_maps" in found
    assert "asks the milter inet:127.0.0.1:9999, which is not there" in found
