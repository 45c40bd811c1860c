"""The examples of smtpcreds(1), typed in their order at a hub and its client hosts with Debian's Sendmail."""

import json
import re
import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from admin import HUB
from lab import SENDMAIL, Lab
from lab.process import TIMEOUT
from lab.program import put_program
from mail_hosts import CLIENT, MailHost
from manual_examples import page_lines
from readme_blocks import BLOCKS
from test_live_first_walk import StockHost

pytestmark = pytest.mark.live
PLACE = Path("/var/lib/desk")
"""Where commands are typed."""
ELSEWHERE = ("--mta dovecot", "--mta nullmailer", " barn ")
"""What test_live_bare_walks.py types, at hosts with Postfix; and test_readme.py, as the README has it."""
MEANT = {"vi /etc/mail/sendmail.mc": "grep /etc/mail/smtpcreds/hub.m4 /etc/mail/sendmail.mc"}
"""What was done with an editor is there."""


class Desk:
    """Who types at one host, and reaches others by ssh."""

    def __init__(self, host: MailHost, reached: Mapping[str, "Desk"]) -> None:
        self.host, self.reached = host, reached
        host.place = PLACE
        host.host.shell(f"mkdir -m 700 {PLACE}")

    def type(self, line: str) -> str:
        """Type a line of which each part has to end well; return what it printed."""
        said = b""
        for command in _parts(line, "&&"):
            said = b""
            for part in _parts(command, "|"):
                said = self._run(part, said)
        return said.decode()

    def _run(self, part: str, stdin: bytes) -> bytes:
        words = shlex.split(part)
        if words[0] == "ssh":
            there = self.reached[words[1].removeprefix("root@")]
            return there._run(part.partition(f" {words[1]} ")[2], stdin)
        if Path(words[0]).name == "smtpcreds":
            ran = self.host.run(*words[1:], stdin=stdin)
            assert ran.status == 0, f"{part}\n{ran}"
            return ran.octets
        typed = self.host.host.namespace.command(("sh", "-c", f"cd {PLACE}; {part}"))
        return subprocess.run(typed, input=stdin, check=True, stdout=subprocess.PIPE, timeout=TIMEOUT).stdout


def _parts(line: str, sign: str) -> list[str]:
    return re.split(rf" {re.escape(sign)} (?=(?:[^']|'[^']*')*$)", line)


def test_what_the_page_shows(lab: Lab) -> None:
    hub, attic = StockHost(lab, HUB, lab.sink.address), Desk(MailHost(lab.host(CLIENT, SENDMAIL)), {})
    desk = Desk(hub, {"attic": attic})
    put_program(hub.host)
    hub.host.shell("mkdir -p /var/lib/prometheus/node-exporter")
    lines = [one for one in page_lines("smtpcreds.1", MEANT) if not any(part in one for part in ELSEWHERE)]
    schema, server, completion, *examples = lines
    probe = next(line for line in examples if " probe " in line)
    before = examples.index(probe)

    for line in examples[:before]:
        desk.type(line)
    hub.log.wait("sm-mta.*starting daemon", 2)
    hub.host.await_port(25)
    assert "none of 26 steps failed" in attic.type(probe)
    for line in (*examples[before + 1 :], server):
        desk.type(line)

    hosts = {row["host"] for row in hub.json("cert", "list")["certificates"]}
    assert hosts == {f"{name}.polkatistas.org" for name in ("dmzmail", "attic", "cellar", "db")}
    assert {path.name for path in hub.host.path(f"{PLACE}/cellar").iterdir()} > {"default-auth-info"}
    assert hub.host.path(f"{PLACE}/try/var/lib/smtpcreds").exists()
    assert "smtpcreds_due" in hub.text("/run/smtpcreds/smtpcreds.prom")
    assert "smtpcreds_due" in hub.host.shell("cat /var/lib/prometheus/node-exporter/smtpcreds.prom")
    assert json.loads(desk.type(schema))
    assert "complete -F _smtpcreds smtpcreds" in desk.type(completion)


def test_one_line_is_that_of_the_readme() -> None:
    lines = page_lines("smtpcreds.1", {" barn ": " attic ", "@barn ": "@attic "})
    in_readme = {line for block in BLOCKS for line in block.typed}
    assert len([line for line in lines if " setup --client " in line and line in in_readme]) == 1
