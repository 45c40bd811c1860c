"""A host without any mail program, and one where our lines are not added: nothing is changed."""

from collections.abc import Iterator

import pytest
from admin import HUB, snapshot
from lab import Lab
from lab.layer import Software
from mail_hosts import CLIENT, MailHost, postfix_hub

from smtpcreds.mta.program import Role
from smtpcreds.mta.programs import PROGRAMS

pytestmark = pytest.mark.live

BARE = Software(("msmtp",), lambda _unpacked, _layer: None)
"""One program that is no server, and needs no command."""
OURS = ("/etc", "/var/lib", "/var/spool")
WITH_COMMANDS = ("sendmail", "postfix", "exim", "opensmtpd")


@pytest.fixture(scope="module")
def bare() -> Iterator[MailHost]:
    with Lab() as lab:
        host = MailHost(lab.host(HUB, BARE))
        host("setup", HUB, "--no-passphrase")
        host("cert", "issue", CLIENT)
        yield host


def unchanged(host: MailHost, *words: str) -> str:
    """Run what is to be refused, with nothing changed; return what it says."""
    before = [snapshot(host.host.path(path)) for path in OURS]
    ran = host.run(*words)
    assert ran.status >= 64, ran
    assert [snapshot(host.host.path(path)) for path in OURS] == before, ran
    return ran.problem


@pytest.mark.parametrize("name", [n for n, p in PROGRAMS.items() if p.FAMILY in WITH_COMMANDS])
def test_no_role_is_applied_and_run_in_part_without_its_program(bare: MailHost, name: str) -> None:
    of_client = () if PROGRAMS[name].ROLE is Role.HUB else ("--host", CLIENT, "--plaintext")
    said = unchanged(bare, "mta", "apply", name, *of_client, "--edit", "--run")
    assert "install the mail program first" in said


@pytest.mark.parametrize("name", ["sendmail", "postfix", "exim"])
def test_a_hub_without_its_mail_program_is_not_set_up_in_part(bare: MailHost, name: str) -> None:
    words = ("--root", "/var/lib/other", "setup", HUB, "--no-passphrase", "--mta", name, "--edit")
    assert "install the mail program first" in unchanged(bare, *words)


def test_commands_are_refused_before_files_where_lines_are_missing() -> None:
    with Lab() as lab:
        hub = postfix_hub(lab)
        said = unchanged(hub, "mta", "apply", "postfix-hub", "--run")
        assert "/etc/postfix/main.cf: lacks a line, so nothing can be run" in said
        assert "--edit adds it" in said


def test_edit_also_tells_smtpcreds_of_the_copy_of_the_accounts() -> None:
    with Lab() as lab:
        hub = postfix_hub(lab)
        hub.postfix.start()
        path = hub.host.path("/etc/smtpcreds/smtpcreds.toml")
        path.write_text(f'{path.read_text()}[sasl]\ncopies = ["/var/lib/x"]\naccount = "maildroid"\n')
        done = hub.json("mta", "apply", "postfix-hub", "--edit", "--run")
        assert "/etc/smtpcreds/smtpcreds.toml" in [edited["path"] for edited in done["edited"]]
        listed = 'copies = ["/var/lib/x", "/var/spool/postfix/etc/postfix/sasldb2"]\naccount = "maildroid"\n'
        assert path.read_text().endswith(f"[sasl]\n{listed}")
        assert hub.json("mta", "apply", "postfix-hub", "--edit", "--run")["edited"] == []
        assert "ok" in hub("mta", "check", "postfix-hub")
