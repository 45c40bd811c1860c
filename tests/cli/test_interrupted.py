"""SIGKILL before a file gets its name, and several runs at once: the same command again ends the job."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace

import pytest
from admin import (
    ACCOUNT,
    AUTH_INFO,
    CERTS,
    HUB,
    SASLDB,
    STATE,
    Admin,
    peer,
    snapshot,
)

from smtpcreds import Site
from smtpcreds.hub import Ready, Secrets, set_up
from smtpcreds.hub import hub as hub_of
from smtpcreds.secret import Secret
from smtpcreds.transaction import looked_at, transaction

KEY, CERTIFICATE = f"{CERTS}/dmzmail-key.pem", f"{CERTS}/dmzmail-cert.pem"
CONFIG = "/etc/smtpcreds/smtpcreds.toml"


Renames = Sequence[str]


@pytest.fixture(scope="module")
def renames(tmp_path_factory: pytest.TempPathFactory) -> Renames:
    """The targets of a set-up's renames, in their order, below the root."""
    program = Admin(
        tmp_path_factory.mktemp("trace") / "root", prefix=("strace", "-qq", "-y", "-e", "trace=renameat")
    )
    said = program("setup", HUB, "--no-passphrase").err
    found = re.findall(r'^renameat\(.*, \d+<(.*)>, "(.*)"\) = 0$', said, re.MULTILINE)
    return [f"{directory}/{name}".removeprefix(str(program.root)) for directory, name in found]


def kill(program: Admin, when: str, *words: str, renames: Renames = ()) -> None:
    """Run the command and kill it as it enters a call: ``CALL=NTH``, or the rename to a target."""
    call, _, nth = when.partition("=")
    if call.startswith("/"):
        call, nth = "renameat", str(renames.index(call) + 1)
    assert program.killed(f"{call}:signal=KILL:when={nth}", *words), f"{when} never came"


def leftovers(program: Admin) -> list[str]:
    return [path for path in snapshot(program.root) if ".smtpcreds-" in path]


@pytest.mark.parametrize("when", ["mkdirat=2", "renameat=1", f"{STATE}/ca", "fdatasync=9", "unlink=2"])
def test_ca_init(bare: Admin, when: str, renames: Renames) -> None:
    kill(bare, when, "ca", "init", "--no-passphrase", renames=renames)
    there = bare.path(f"{STATE}/ca").exists()
    ran = bare.run("ca", "init", "--no-passphrase")
    if there:
        assert (ran.status, "holds an authority" in ran.problem) == (73, True)
    else:
        assert (ran.status, ran.err) == (0, "")
    bare("cert", "issue", HUB)
    leaf, bundle = bare.path(f"{CERTS}/{HUB}-cert.pem"), bare.path(f"{CERTS}/cacert.pem")
    short = bare.path(CERTIFICATE)
    peer("openssl", "verify", "-x509_strict", "-CAfile", bundle, leaf if leaf.exists() else short)
    assert leftovers(bare) == []
    assert bare.query("SELECT count(*) FROM authorities") == [(1,)]


@pytest.mark.parametrize("when", ["fsync=1", "linkat=1", "unlinkat=1", "fsync=2"])
def test_the_first_account(smtpcreds: Admin, when: str) -> None:
    kill(smtpcreds, when, "sasl", "add", "maildroid")
    there = smtpcreds.path(SASLDB).exists()
    ran = smtpcreds.run("sasl", "add", "maildroid")
    assert ran.status == (73 if there else 0)
    smtpcreds("sasl", "add", "second")
    assert leftovers(smtpcreds) == []
    listed = peer("sasldblistusers2", "-f", smtpcreds.path(SASLDB)).splitlines()
    assert sorted(listed) == [f"{ACCOUNT}: userPassword", f"second@{HUB}: userPassword"]


@pytest.mark.parametrize("when", ["fsync=1", "renameat=1", "fsync=2"])
def test_another_secret(hub: Admin, when: str) -> None:
    old = hub("sasl", "show", "maildroid", "--reveal").out
    kill(hub, when, "sasl", "passwd", "maildroid")
    peer("db5.3_verify", hub.path(SASLDB))
    assert (hub("sasl", "show", "maildroid", "--reveal").out == old) == (when != "fsync=2"), (
        "old or new, whole"
    )
    hub("sasl", "passwd", "maildroid")
    assert leftovers(hub) == []


@pytest.mark.parametrize(
    ("when", "warned"),
    [
        (f"{STATE}/ca", 0),
        (f"{CERTS}/crl.pem", 1),
        (f"{KEY}", 1),
        (f"{CERTIFICATE}", 1),
        ("linkat=1", 0),
        ("unlinkat=1", 0),
        (f"{AUTH_INFO}", 0),
        (f"{CONFIG}", 0),
    ],
)
def test_setup(bare: Admin, when: str, warned: int, renames: Renames) -> None:
    kill(bare, when, "setup", HUB, "--no-passphrase", renames=renames)
    ran = bare("setup", HUB, "--no-passphrase")
    assert len(ran.warnings) == warned, ran.err
    assert all(f"{HUB}: an interrupted run " in warning for warning in ran.warnings)
    assert ran.out.startswith(f"{HUB}: ready\n")
    assert leftovers(bare) == [] or when == "unlinkat=1", (
        "a second name of the new database, until the next change"
    )
    before = snapshot(bare.root)
    again = bare("setup", HUB)
    assert (again.err, again.out.splitlines()[0]) == ("", f"{HUB}: was ready; nothing changed")
    assert snapshot(bare.root) == before
    assert bare.query("SELECT count(*) FROM certificates WHERE state = 'issued'") == [(1,)]
    peer(
        "openssl", "verify", "-x509_strict", "-CApath", bare.path(CERTS), "-crl_check", bare.path(CERTIFICATE)
    )


def test_eight_accounts_at_once(smtpcreds: Admin) -> None:
    names = [f"droid{number}" for number in range(8)]
    ran = smtpcreds.at_once(*(("sasl", "add", name) for name in names))
    assert [(each.status, each.err) for each in ran] == [(0, "")] * 8
    listed = sorted(peer("sasldblistusers2", "-f", smtpcreds.path(SASLDB)).splitlines())
    assert listed == [f"{name}@{HUB}: userPassword" for name in names]


def test_one_account_eight_times_at_once(smtpcreds: Admin) -> None:
    ran = smtpcreds.at_once(*[("sasl", "add", "maildroid")] * 8)
    assert sorted(each.status for each in ran) == [0] + [73] * 7
    assert all("the account exists" in each.problem for each in ran if each.status)


def test_two_set_ups_at_once(bare: Admin) -> None:
    ran = bare.at_once(*[("setup", HUB, "--no-passphrase")] * 2)
    assert [(each.status, each.err) for each in ran] == [(0, "")] * 2
    assert sorted(each.out.splitlines()[0] for each in ran) == [
        f"{HUB}: ready",
        f"{HUB}: was ready; nothing changed",
    ]
    assert bare.query("SELECT count(*) FROM certificates") == [(1,)]


@pytest.mark.parametrize("ended", [CERTIFICATE, AUTH_INFO, ""])
def test_a_set_up_that_found_nobody_at_work(bare: Admin, ended: str, renames: Renames) -> None:
    """It decides what is missing when it has the lock, not before: another run may have come in between."""
    words = ("setup", HUB, "--no-passphrase")

    def another_run() -> None:
        if ended:
            kill(bare, ended, *words, renames=renames)
        else:
            bare(*words)

    ran = bare.overtaken(f"{STATE}/inventory.sqlite3", another_run, *words)
    first = ran.out.partition("\n")[0]
    assert (ran.status, first) == (0, f"{HUB}: {'ready' if ended else 'was ready; nothing changed'}"), ran.err
    assert bare.query("SELECT count(*) FROM certificates") == [(1,)]


def test_what_a_look_refuses_while_another_set_up_is_at_work_is_no_refusal(bare: Admin) -> None:
    """A preview has no lock: the other run comes when it has seen that there is no account, and no more."""
    warnings: list[str] = []
    site = replace(Site.load(root=str(bare.root))._site, warn=warnings.append)

    def password() -> Secret:
        bare("setup", HUB, "--no-passphrase")
        return Secret(b"S3cret.of.maildroid")

    def look() -> Ready:
        wanted = hub_of(site, HUB)
        with transaction(wanted.site, preview=True) as work:
            return set_up(work, wanted, Secrets(lambda: None, password))

    assert not any(part.made for part in looked_at(site, look).parts)
    assert warnings == []


def test_two_authorities_at_once(bare: Admin) -> None:
    ran = bare.at_once(*[("ca", "init", "--no-passphrase")] * 2)
    assert sorted(each.status for each in ran) == [0, 73]
    assert bare.query("SELECT count(*) FROM authorities") == [(1,)]


def test_repairs_that_can_not_be_recorded_are_told_of(hub: Admin) -> None:
    """The inventory is open when recovery fails, and closed when the command ends."""
    place = hub.directory / "place"
    place.mkdir(0o700)
    assert hub.killed("renameat:signal=KILL:when=1", "cert", "issue", "attic", "--to", place)
    os.chown(place, 4711, 4711)
    key = hub.certs / "dmzmail-key.pem"
    key.chmod(0o644)
    ran = hub.run("audit", "--fix", "--only", "PERM001")
    assert (ran.status, ran.out.splitlines()[0]) == (0, "repaired: 1")
    assert key.stat().st_mode & 0o777 == 0o600
    assert any(warning.startswith("the repairs were not recorded: ") for warning in ran.warnings), ran
