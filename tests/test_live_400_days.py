"""A hub and its client hosts live through 400 days: Sendmail, Postfix and msmtp; nobody types anything.

Real sshd and mail programs, in private namespaces whose clocks are put forward while they run. Each day has
what the timers of that day do, and a message from each host. An ordinary run has every tenth day; for all,
``STEP=1 pytest tests/test_live_400_days.py``, which takes more than half an hour.
"""

import os
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from admin import CONFIG, HUB
from lab import Lab, LabError
from lab.clock import Clock
from lab.sendmail import PID_FILE, STARTING
from pull_hosts import Client, Hub, PostfixClient, SendmailClient

pytestmark = [pytest.mark.live, pytest.mark.timeout(4 * 3600 if "STEP" in os.environ else 1200)]

LAST = 400
REVOKED = 95
"""The day on which a person shuts one host out, which no timer can know."""
UNATTENDED = """\
[ca]
days = 700
rollover = "when-due"
retire = "when-unused"
[sasl]
rotate_every = "250d"
"""
"""Certificates last 365 days and CRLs 30; what ends is renewed past two thirds of its life."""
RELOAD = f"sh -c 'kill -HUP $(head -n 1 {PID_FILE})'"
OLD, NEW = "polkatistas.org Mail CA", "polkatistas.org Mail CA G2"


class Years:
    """The hosts, what their timers do, and what came about on which day."""

    def __init__(self, lab: Lab, directory: Path) -> None:
        self.lab = lab
        self.hub = Hub(lab, "--days", "700")
        self.hub.host.write("/etc/smtpcreds/smtpcreds.toml", CONFIG + UNATTENDED)
        self.clients = [SendmailClient(lab, self.hub, "attic"), PostfixClient(lab, self.hub, "barn")]
        self.clients.append(Client(lab, self.hub, "cellar"))
        self.shut_out = Client(lab, self.hub, "tuba")
        hosts = [self.hub.host, *(client.host for client in (*self.clients, self.shut_out))]
        self.clock = Clock(hosts, directory)
        self.hub.start()
        for client in self.clients:
            client.join()
        self.shut_out.join("--own-account")
        self.came: dict[str, list[int]] = {}

    def note(self, what: str, day: int) -> None:
        self.came.setdefault(what, []).append(day)

    def live(self, day: int) -> None:
        """Let the timers of a day run, as they do, side by side, and a message from each host go out."""
        self.clock.put_forward(timedelta(days=day))
        with ThreadPoolExecutor() as pool:
            runs = [pool.submit(self.pull, client, day) for client in self.clients]
            runs.append(pool.submit(self.renew, day))
            for run in runs:
                run.result()
            list(pool.map(lambda client: self.send(client, day), self.clients))
        self.received({client.host.name for client in self.clients}, day)
        for client in self.clients:
            client.host.log.forget()
        self.hub.log.forget()

    def pull(self, client: Client, day: int) -> None:
        """Run what a client host's timer runs."""
        before = client.certificate("-serial")
        assert client.pull() == (0, ""), f"{client.name}, day {day}"
        if client.certificate("-serial") != before:
            self.note(f"{client.name}: certificate", day)

    def renew(self, day: int) -> None:
        """Run what the hub's timer runs."""
        starts = len(self.hub.log.find(STARTING))
        done = self.hub.json("cert", "renew", "--due", "--reload", RELOAD)
        assert done["not_done"] == done["failed"] == done["findings"] == [], f"day {day}"
        happened = {
            "hub: certificate": done["certificates"] or done["renewed_early"],
            "CRL": done["crl"],
            "account: successor": [row for row in done["rotations"] if row["state"] == "open"],
            "account: end": [row for row in done["rotations"] if row["state"] == "retired"],
            "authority: successor": done["authority_made"],
            "authority: end": done["authorities_retired"],
        }
        for what in filter(happened.get, happened):
            self.note(what, day)
        if any(map(done.get, ("reloaded", "authority_made", "renewed_early", "authorities_retired"))):
            self.settle(starts)

    def settle(self, starts: int) -> None:
        """Wait for the daemon that was told to start again."""
        self.hub.log.wait(STARTING, starts + 1)
        self.hub.sendmail.await_daemon()

    def send(self, client: Client, day: int) -> None:
        try:
            client.send()
        except (LabError, AssertionError) as error:
            raise LabError(f"{client.name}, day {day}: {error}\n" + "\n".join(self.hub.log.lines)) from None

    def received(self, senders: set[str], day: int) -> None:
        """Insist that the hub has relayed a message of each, and believed its certificate."""
        for _ in list(senders):
            received = " ".join(self.lab.sink.receive().headers["Received"].split())
            found = re.search(rf"from (\S+) .*by {HUB} .* with ESMTPSA .*verify=OK", received)
            assert found, f"day {day}: {received}"
            senders.discard(found[1])
        assert not senders, f"day {day}"


def days() -> list[int]:
    step = int(os.environ.get("STEP", "10"))
    return sorted({*range(0, LAST + 1, step), REVOKED, LAST})


def test_nobody_types_anything(lab: Lab, tmp_path: Path) -> None:
    years = Years(lab, tmp_path)
    hub, tuba = years.hub, years.shut_out
    first = hub.secret()
    for day in days():
        years.live(day)
        if day < REVOKED and day % 10 == 0:
            assert tuba.pull() == (0, "")
            tuba.send()
            years.received({tuba.host.name}, day)
        if day == REVOKED:
            shut_out(years)
        if day > REVOKED and day % 50 == 0:
            is_shut_out(years)

    came = years.came
    for client in years.clients:
        assert len(came[f"{client.name}: certificate"]) >= 2, "past two thirds, and of the new authority"
        assert NEW in client.certificate("-issuer")
    assert [len(came[f"account: {what}"]) for what in ("successor", "end")] == [1, 1]
    assert [len(came[f"authority: {what}"]) for what in ("successor", "end")] == [1, 1]
    assert came["account: successor"][0] <= came["account: end"][0]
    assert came["authority: successor"][0] <= came["authority: end"][0]
    assert came["CRL"], "others are signed when a client host comes"
    hub("sasl", "export", "--reveal", "--to", "/etc/smtpcreds/accounts.csv")
    assert first not in hub.host.path("/etc/smtpcreds/accounts.csv").read_text()
    assert "nothing is due" in hub("status")


def shut_out(years: Years) -> None:
    """Revoke a host, and type what that says."""
    starts = len(years.hub.log.find(STARTING))
    said = years.hub.run("cert", "revoke", "tuba", "--reload", RELOAD).err
    assert "smtpcreds sasl delete tuba" in said
    years.hub("sasl", "delete", "tuba")
    years.settle(starts)
    is_shut_out(years)


def is_shut_out(years: Years) -> None:
    status, said = years.shut_out.pull()
    assert (status, "was revoked" in said) == (77, True), said
    with pytest.raises(LabError):
        years.shut_out.send()
