"""A client host that gets nothing but a bundle, by tar or by setup, and does what is printed, relays mail."""

import re
import subprocess

import pytest
from admin import HUB
from lab import SENDMAIL, Host, Lab, Sendmail, mc
from mail_hosts import CLIENT, typed

pytestmark = pytest.mark.live

SKELETON = mc.HEAD + "{lines}FEATURE(`access_db', , `skip')dnl\n" + mc.TAIL
"""Debian's sendmail.mc in short: nothing of smtpcreds is in it."""


def running(lab: Lab, name: str, lines: str = "") -> Sendmail:
    """Return a host whose sendmail runs as it was installed."""
    sendmail = Sendmail(lab.host(name, SENDMAIL))
    text = SKELETON.format(lines=lines)
    sendmail.host.write("/etc/mail/access", "")
    sendmail.host.write("/etc/mail/sendmail.mc", text)
    sendmail.host.shell("m4 /etc/mail/sendmail.mc > /etc/mail/sendmail.cf")
    sendmail.host.shell("makemap hash /etc/mail/access < /etc/mail/access")
    sendmail.start(text)
    return sendmail


def type_in(host: Host, *words: str) -> str:
    return host.run(typed(*words))


def follow(sendmail: Sendmail, said: str) -> None:
    """Do what a README or an answer says: add the lines, run the commands."""
    host = sendmail.host
    blocks = re.findall(r"^[Aa]dd to (\S+?)(?:, .*)?:\n((?: +.*\n)+)", said, re.MULTILINE)
    assert blocks[0][0] == "/etc/mail/sendmail.mc"
    for path, block in blocks:
        lines = "".join(line.strip(" ") + "\n" for line in block.splitlines())
        above, mark, below = host.path(path).read_text().partition("MAILER(")
        host.write(path, above + lines + mark + below)
    commands = re.search(r"^[Tt]hen run.*:\n((?: +.*\n)+)", said, re.MULTILINE)
    assert commands
    starts = len(sendmail.log.find("sm-mta.*starting daemon"))
    for command in commands[1].splitlines():
        host.shell(command.strip())
    sendmail.log.wait("sm-mta.*starting daemon", starts + 1)
    host.await_port(25)


def carried(hub: Host, client: Host, *command: str) -> str:
    """Pipe a bundle from the hub's standard output to a command on the client host, as through ssh."""
    words = typed("bundle", "attic", "-o", "-")
    with subprocess.Popen(
        hub.namespace.command(words), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as made:
        done = subprocess.run(
            client.namespace.command(command), stdin=made.stdout, capture_output=True, text=True
        )
    assert (made.returncode, done.returncode, done.stderr) == (0, 0, "")
    return done.stdout


@pytest.mark.parametrize("way", ["tar", "setup"])
def test_nothing_but_a_bundle(way: str) -> None:
    with Lab() as lab:
        hub = running(lab, HUB, f"define(`SMART_HOST', `[{lab.sink.address}]')dnl\n")
        follow(hub, type_in(hub.host, "setup", HUB, "--no-passphrase", "--mta", "sendmail"))
        assert "ok" in type_in(hub.host, "mta", "check", "sendmail-hub")
        client = running(lab, CLIENT)
        settings: tuple[str, ...] = ()
        if way == "tar":
            assert carried(hub.host, client.host, "tar", "-xpf", "-", "-C", "/") == ""
            follow(client, client.host.path("/etc/smtpcreds/README.bundle").read_text())
            settings = ("-c", "/etc/smtpcreds/client.toml")
        else:
            follow(client, carried(hub.host, client.host, *typed("setup", "--client", "-")))
        assert "ok" in type_in(client.host, *settings, "mta", "check", "sendmail-client")

        answer = client.send(f"polkafan@{CLIENT}", "accordion@example.net")
        assert "stat=Sent" in answer, (answer, hub.log.lines, client.log.lines)
        received = " ".join(lab.sink.receive().headers["Received"].split())
        assert re.search(rf"from {CLIENT} .*by {HUB} .* with ESMTPSA .*verify=OK", received)
        hub.log.wait(rf"AUTH=server, relay={CLIENT} .*authid=maildroid(@{HUB})?, mech=SCRAM-SHA-256,")
        client.log.wait(rf"STARTTLS=client, relay={HUB}\.?, .*verify=OK")
        for sendmail in (hub, client):
            assert sendmail.host.run(("stat", "-c", "%U %a", "/etc/mail")) == "smmta 2755\n"
            assert not sendmail.log.find("unsafe|World|Group (readable|writable)|NOQUEUE: SYSERR")
