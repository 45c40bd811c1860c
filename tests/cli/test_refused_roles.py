"""``mta apply`` and ``setup`` where a mail program is not there: done, or refused with nothing changed."""

from pathlib import Path

import pytest
from admin import HUB, Admin, issued_hub, snapshot

import smtpcreds
from smtpcreds.errors import UnavailableError
from smtpcreds.mta.program import Role
from smtpcreds.mta.programs import PROGRAMS

WAYS = ((), ("--edit",), ("--plaintext",), ("--plaintext", "--edit"))
HUBS = [name for name, program in PROGRAMS.items() if program.ROLE is Role.HUB]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Admin:
    hub = issued_hub(tmp_path_factory.mktemp("bare") / "root")
    hub("cert", "issue", "attic")
    hub("sasl", "add", "maildroid")
    return hub


def done_or_unchanged(host: Admin, *words: str) -> int:
    """Run a command, and return its exit status; one that says that it was refused has changed nothing."""
    before = snapshot(host.root)
    ran = host.run(*words)
    if ran.status:
        assert snapshot(host.root) == before, ran
        assert "install the mail program first" in ran.problem or ran.status == 64
    return ran.status


@pytest.mark.parametrize("words", WAYS, ids=" ".join)
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_role_is_applied_whole_or_not_at_all(
    template: Admin, tmp_path: Path, name: str, words: tuple[str, ...]
) -> None:
    host = template.copy(tmp_path / "root")
    of_client = () if name in HUBS else ("--host", "attic")
    done_or_unchanged(host, "mta", "apply", name, *of_client, *words)


@pytest.mark.parametrize("name", HUBS)
def test_a_hub_without_its_mail_program_is_not_set_up_in_part(tmp_path: Path, name: str) -> None:
    host = Admin(tmp_path / "root")
    host.root.mkdir()
    words = ("setup", HUB, "--no-passphrase", "--mta", name.removesuffix("-hub"), "--edit")
    assert done_or_unchanged(host, *words) == 69


def test_the_library_sets_up_no_hub_in_part(tmp_path: Path) -> None:
    site = smtpcreds.Site.load(root=tmp_path)
    with pytest.raises(UnavailableError, match="Debian-exim"):
        site.set_up(HUB, mta="exim")
    assert list(tmp_path.iterdir()) == []


def test_no_configuration_is_made_for_a_sendmail_that_is_not_there(template: Admin, tmp_path: Path) -> None:
    host = template.copy(tmp_path / "root")
    refusal = host.refuses(69, "mta", "apply", "sendmail-hub", "--edit")
    assert "/etc/mail/sendmail.mc: is not there, and is to be edited" in refusal
