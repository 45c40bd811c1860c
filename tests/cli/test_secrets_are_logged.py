"""Whoever has a secret handed out leaves a line in authpriv, where auditors look; a dry run leaves none."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin import ACCOUNT, HUB, Admin
from lab.namespace import Namespace
from lab.syslog import Log

HANDED_OUT = {
    "sasl auth-info maildroid": f"sasl auth-info {ACCOUNT} by root: to standard output",
    "sasl auth-info maildroid --to {here}/info": f"sasl auth-info {ACCOUNT} by root: to {{here}}/info",
    "sasl show maildroid --reveal": f"sasl show --reveal {ACCOUNT} by root: to standard output",
    "sasl export --reveal --to {here}/file": "sasl export --reveal 1 account by root: to {here}/file",
    "sasl conf --database postgresql://db/mail --role smtpd --role-password file:{here}/secret": (
        "sasl conf sendmail by root: to standard output"
    ),
    "mta render sendmail-client --host attic --account maildroid --reveal": (
        "mta render --reveal sendmail-client for attic.polkatistas.org by root: to standard output"
    ),
    "mta render sendmail-client --host attic --account maildroid --to {here}/rendered": (
        "mta render sendmail-client for attic.polkatistas.org by root: to {here}/rendered"
    ),
    "bundle attic -o {here}/attic.tar": "bundle attic.polkatistas.org by root",
    "ca export --key --to {here}/key.pem": "ca key exported",
    "cert export dmzmail --with-key": f"cert export {HUB} by root",
    "cert export dmzmail --with-key --to {here}/pair.pem": f"cert export {HUB} by root",
    "sasl add droid --hashed": f"sasl add droid@{HUB} by root",
}
TOP = Path(__file__).parent.parent.parent
KEPT = ("sasl show maildroid", "sasl export --to {here}/plain", "mta render sendmail-client --host attic")


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[Log, Namespace]]:
    devices = tmp_path / "dev"
    devices.mkdir()
    copy = f"(cd /dev && cp -a null zero full random urandom tty {devices})"
    namespace = Namespace(f"{copy}\nmount --bind {devices} /dev")
    log = Log(namespace.path("/dev/log"))
    yield log, namespace
    namespace.close()
    log.close()


@pytest.mark.parametrize("words", HANDED_OUT)
def test_a_secret_that_is_handed_out_is_logged(hub: Admin, log: tuple[Log, Namespace], words: str) -> None:
    hub.secret("secret", b"S3cret-of-the-role")
    lines, namespace = log
    inside = hub.behind(*namespace.command(()))
    typed = words.format(here=hub.directory).split()
    inside("-n", *typed)
    assert lines.lines == []
    ran = inside(*typed)
    wanted = HANDED_OUT[words].format(here=hub.directory)
    lines.wait(re.escape(wanted))
    secret = hub("sasl", "show", "maildroid", "--reveal").out.strip()
    assert secret not in "\n".join(lines.lines)
    assert ran.out.strip() not in "\n".join(lines.lines)


GIVEN = {
    "site.accounts.credential('maildroid')": f"sasl show --reveal {ACCOUNT} by root: to a program",
    "site.accounts.auth_info('maildroid')": f"sasl auth-info {ACCOUNT} by root: to a program",
    "site.accounts.export(reveal=True)": "sasl export --reveal 1 account by root: to a program",
}


@pytest.mark.parametrize("called", GIVEN)
def test_a_secret_that_a_program_is_given_is_logged(
    hub: Admin, log: tuple[Log, Namespace], called: str
) -> None:
    lines, namespace = log
    quiet = "site.accounts.names(), site.accounts.export(), site.accounts.show('maildroid')"
    code = f"import smtpcreds; site = smtpcreds.Site.load({str(hub.root)!r}); {quiet}; {called}"
    subprocess.run([*namespace.command(()), sys.executable, "-c", code], check=True, cwd=TOP)
    lines.wait(re.escape(GIVEN[called]))
    assert len(lines.lines) == 1


@pytest.mark.parametrize("words", KEPT)
def test_what_shows_no_secret_is_not_logged(hub: Admin, log: tuple[Log, Namespace], words: str) -> None:
    lines, namespace = log
    hub.behind(*namespace.command(()))(*words.format(here=hub.directory).split())
    hub.behind(*namespace.command(()))("sasl", "show", "maildroid", "--reveal")
    assert lines.wait("sasl show")
    assert len(lines.lines) == 1
