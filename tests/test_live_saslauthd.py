"""The mixed scene on Postfix and on Exim: client hosts log in by sasldb, people by PAM through saslauthd."""

import pytest
from admin import HUB
from lab import Lab
from login_accounts import PERSON, START, add_person, answers_to
from mail_hosts import (
    ACCOUNT,
    CLIENT,
    FOREIGN,
    EximHub,
    MailHost,
    PostfixMachine,
    SendmailClient,
    give_secret,
    issue,
    postfix_hub,
)

pytestmark = pytest.mark.live

BOTH_LOG_IN = [(250, 535), (250, 535)]
LATER, NOBODY = [(454, 454), (454, 454)], [(535, 535), (535, 535)]


def hints(hub: MailHost, program: str) -> dict[str, str]:
    """Return what `mta check` finds, by path, with the way out of each."""
    return {f["path"]: f["hint"] for f in hub.run("--json", "mta", "check", program).data["findings"]}


def audited(hub: MailHost) -> dict[str, str]:
    """Return what `audit` says of saslauthd, by code, with the way out."""
    found = hub.run("--json", "audit", "--only", "MTA222", "--only", "PERM016").data["findings"]
    return {finding["code"]: finding["cure"] for finding in found}


def test_postfix_asks_saslauthd_from_its_chroot(lab: Lab) -> None:
    """As apt leaves it, saslauthd has its socket outside; each cure is typed as it was printed."""
    hub = postfix_hub(lab)
    client = PostfixMachine(lab, CLIENT, "postfix-client")
    issue(hub, client)
    add_person(hub.host)
    hub.host.shell(START)
    for command in hub.add_lines("--saslauthd")[:-1]:
        hub.host.shell(command)
    hub.postfix.start()
    assert answers_to(hub) == LATER
    found = hints(hub, "postfix-hub")
    assert list(found) == ["/var/spool/postfix/var/run/saslauthd/mux"]
    told = hub.json("mta", "apply", "postfix-hub")["unmet"]
    assert [one["hint"] for one in told] == [*found.values()]
    hub.host.shell(*found.values())

    assert answers_to(hub) == LATER
    found = hints(hub, "postfix-hub")
    assert found == {"/var/spool/postfix/var/run/saslauthd": "usermod -a -G sasl postfix"}
    hub("mta", "apply", "postfix-hub", "--run")
    assert hints(hub, "postfix-hub") == {}
    assert answers_to(hub) == BOTH_LOG_IN
    hub.log.wait(rf"sasl_method=LOGIN, sasl_username={PERSON}(@{HUB})?$")

    give_secret(hub, client)
    client.apply("--password", "file:/var/lib/secret")
    assert "status=sent" in client.send()
    hub.log.wait(rf"sasl_method=SCRAM-SHA-256, sasl_username={ACCOUNT}(@{HUB})?$")
    assert hub.host.run(("sh", "-c", "pidof saslauthd | wc -w")) == "5\n"


def test_exim_asks_saslauthd_as_a_member_of_its_group(lab: Lab) -> None:
    hub = EximHub(lab)
    client = SendmailClient(lab, hub)
    add_person(hub.host)
    hub.equip("exim-hub", "--saslauthd")
    hub.exim.start()
    assert answers_to(hub) == NOBODY
    mux = "/var/run/saslauthd/mux"
    assert hints(hub, "exim-hub") == {mux: START}
    assert audited(hub) == {"MTA222": START}
    hub.again()
    assert hints(hub, "exim-hub") == {mux: START}
    hub.host.shell(START)

    assert answers_to(hub) == NOBODY
    assert hints(hub, "exim-hub") == {"/var/run/saslauthd": "usermod -a -G sasl Debian-exim"}
    assert audited(hub) == {"PERM016": "usermod -a -G sasl Debian-exim"}
    hub.again()
    assert hints(hub, "exim-hub") == {}
    assert audited(hub) == {}
    assert answers_to(hub) == BOTH_LOG_IN
    hub.log.wait(rf"smtpcreds_login authenticator failed .*set_id={PERSON}")
    assert "stat=Sent" in client.send()
    hub.log.wait(rf"<= .* P=esmtpsa .*A=smtpcreds_scram_sha_256:{ACCOUNT}")
    assert lab.sink.receive().recipients == (FOREIGN,)

    elsewhere = """printf '%s\\n' 'OPTIONS="-c -m /run/people"' >> /etc/default/saslauthd"""
    hub.host.shell(f"service saslauthd stop; {elsewhere}; service saslauthd start")
    cure = audited(hub)["MTA222"]
    assert hints(hub, "exim-hub") == {mux: cure}
    hub.host.shell(cure)
    assert audited(hub) == {}
    assert answers_to(hub) == BOTH_LOG_IN
    hub.host.shell("kill -9 $(pidof saslauthd)")
    assert list(audited(hub)) == ["MTA222"]
    hub.host.shell(audited(hub)["MTA222"])
    assert audited(hub) == {}
