"""From Debian's stock configuration to a relayed message by the README alone, two real sendmails.

What Debian's packages leave in /etc: a daemon for 127.0.0.1 alone, a sample default-auth-info, a
Sendmail.conf that is a link, and sasldb2 with the remains of an account that nobody has.
"""

import re

import pytest
from admin import HUB
from lab import SENDMAIL, Lab, Sendmail, mc
from lab.layer import Software
from lab.sendmail import NO_DNS
from mail_hosts import ACCOUNT, CLIENT, FOREIGN, SENDER, MailHost, carry

pytestmark = pytest.mark.live

SAMPLE = "sendmail\nsendmail\nsendmailpwd\n{name}\n\n"
STOCK_SASL = (
    "pwcheck_method: saslauthd\nallowanonymouslogin: 0\nallowplaintext: 1\n"
    "mech_list: EXTERNAL DIGEST-MD5 CRAM-MD5 LOGIN PLAIN\n"
)
"""Both as /usr/share/sendmail/update_auth of 8.17.1.9-2+deb12u2 makes them."""
CLOSED = "DAEMON_OPTIONS(`Family=inet,  Name=MTA-v4, Port=smtp, Addr=127.0.0.1')dnl"


class StockHost(MailHost):
    """A host right after ``apt-get install sendmail sasl2-bin``, its daemon running."""

    def __init__(self, lab: Lab, name: str, smart_host: str = "", software: Software = SENDMAIL) -> None:
        """Make it; ``smart_host`` is for the one host that hands mail on in a lab without DNS."""
        super().__init__(lab.host(name, software))
        self.sendmail, write = Sendmail(self.host), self.host.write
        self.host.run(("rm", "-rf", "/etc/smtpcreds"))
        self.host.shell("cp /usr/share/sendmail/cf/debian/sendmail.mc /etc/mail/sendmail.mc")
        write("/etc/mail/service.switch", NO_DNS)
        way_out = f"define(`SMART_HOST', `[{smart_host}]')dnl\n" if smart_host else ""
        write("/etc/mail/m4/provider.m4", mc.BUSY + way_out)
        write("/etc/mail/access", "Connect:localhost\tRELAY\n", 0o600)
        write("/etc/mail/default-auth-info", SAMPLE.format(name=name), 0o640)
        write("/etc/mail/Sendmail.conf.2", STOCK_SASL, 0o640)
        self.host.shell(
            "chown smmta:smmsp /etc/mail/default-auth-info /etc/mail/Sendmail.conf.2;"
            "mkdir -p /usr/lib/sasl2 && ln -sf /etc/mail/Sendmail.conf.2 /usr/lib/sasl2/Sendmail.conf;"
            "printf '!' | saslpasswd2 -c -p no:such:user && saslpasswd2 -d no:such:user;"
            "chown root:sasl /etc/sasldb2 && chmod 660 /etc/sasldb2"
        )
        compiled = "m4 sendmail.mc > sendmail.cf && makemap hash access < access && newaliases"
        self.host.shell(f"cd /etc/mail && {compiled}")
        self.host.run(("/usr/sbin/sendmail-mta", "-Am", "-L", "sm-mta", "-bd"))
        self.host.await_port(25)

    def text(self, path: str) -> str:
        return self.host.path(path).read_text()


@pytest.fixture
def hub(lab: Lab) -> StockHost:
    return StockHost(lab, HUB, lab.sink.address)


def test_two_commands_on_the_hub_and_one_on_the_client_host(lab: Lab, hub: StockHost) -> None:
    client = StockHost(lab, CLIENT)
    before = client.text("/etc/mail/sendmail.mc"), client.text("/etc/mail/access")
    for host in (hub, client):
        assert host("audit").startswith("nothing found\n")

    hub("setup", HUB, "--no-passphrase", "--mta", "sendmail", "--edit", "--run")
    hub("bundle", "attic", "-o", "/var/lib/attic.tar")
    carry(hub.host, "/var/lib/attic.tar", client.host, "/var/lib")
    said = client("setup", "--client", "/var/lib/attic.tar", "--edit", "--run")

    assert "edited: /etc/mail/sendmail.mc    (before: /etc/mail/sendmail.mc.~1~)" in said
    kept = client.text("/etc/mail/sendmail.mc.~1~"), client.text("/etc/mail/access.~1~")
    assert kept == before
    assert client.host.run(("stat", "-c", "%a", "/etc/mail/access", "/etc/mail/access.~1~")) == "600\n600\n"
    for host in (hub, client):
        host.log.wait("sm-mta.*starting daemon", 2)
        host.host.await_port(25)
        assert host("audit").startswith("nothing found\n")
    assert "ok" in hub("mta", "check", "sendmail-hub")
    assert "ok" in client("mta", "check", "sendmail-client")

    assert "stat=Sent" in client.sendmail.send(SENDER, FOREIGN)
    received = " ".join(lab.sink.receive().headers["Received"].split())
    assert re.search(rf"from {CLIENT} .*by {HUB} .* with ESMTPSA .*verify=OK", received)
    hub.log.wait(rf"AUTH=server, relay={CLIENT} .*authid={ACCOUNT}(@{HUB})?, mech=SCRAM-SHA-256,")


def test_a_second_run_edits_and_runs_nothing(hub: StockHost) -> None:
    words = ("setup", HUB, "--no-passphrase", "--mta", "sendmail", "--edit", "--run")
    assert hub.json(*words)["edited"] == [
        {"path": "/etc/mail/sendmail.mc", "former": "/etc/mail/sendmail.mc.~1~"}
    ]
    again = hub.json(*words)
    assert (again["changed"], again["edited"], again["ran"]) == (False, [], [])


def test_a_hub_that_listens_for_itself_alone_is_told_wherever_one_asks(lab: Lab, hub: StockHost) -> None:
    said = hub("setup", HUB, "--no-passphrase", "--mta", "sendmail")
    way_out = f"take Addr=127.0.0.1 out of the line {CLOSED}"
    assert way_out in said
    text = hub.text("/etc/mail/sendmail.mc")
    include = "include(`/etc/mail/smtpcreds/hub.m4')dnl\nMAILER_DEFINITIONS\n"
    hub.host.write("/etc/mail/sendmail.mc", text.replace("MAILER_DEFINITIONS\n", include))
    assert way_out in hub("mta", "apply", "sendmail-hub", "--run")
    hub.log.wait("sm-mta.*starting daemon", 2)
    hub.host.await_port(25)
    assert way_out in hub.refused("mta", "check", "sendmail-hub")
    found = hub.run("audit").out
    assert "MTA030" in found
    client = MailHost(lab.host(CLIENT, SENDMAIL))
    carry(hub.host, "/etc/mail/certs/cacert.pem", client.host, "/var/lib/cacert.pem")
    probe = ("probe", f"smtp://{HUB}", "--ca", "/var/lib/cacert.pem")
    assert "or for the server itself alone" in client.run(*probe).out

    hub("mta", "apply", "sendmail-hub", "--edit", "--run")
    hub.log.wait("sm-mta.*starting daemon", 3)
    hub.host.await_port(25)
    assert CLOSED not in hub.text("/etc/mail/sendmail.mc")
    assert hub("audit").startswith("nothing found\n")
    assert "nothing listens" not in client.run(*probe).out
