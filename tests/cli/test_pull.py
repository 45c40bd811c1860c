"""``bundle --authorize`` and ``--serve``: what the hub gives a client host that comes for its bundle."""

import io
import os
import re
import shlex
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from admin import ACCOUNT, STATE, Admin

from smtpcreds.mta.program import Role
from smtpcreds.mta.programs import PROGRAMS

from .pulling import digest, fetched
from .writing import SSH_KEY

HOST = "attic.polkatistas.org"
CERT = "etc/mail/certs/attic-cert.pem"
AUTH_INFO = "etc/mail/default-auth-info"


@pytest.fixture
def key(hub: Admin) -> Path:
    return hub.write("key.pub", SSH_KEY, 0o644)


def member(archive: bytes, path: str) -> bytes:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        file = opened.extractfile(path)
        assert file
        return file.read()


def signatures(hub: Admin) -> int:
    found = hub.query("SELECT (SELECT count(*) FROM certificates) + (SELECT count(*) FROM crls)")
    return int(found[0][0])


def test_the_line_is_for_one_host_and_one_command(hub: Admin, key: Path, tmp_path: Path) -> None:
    line = hub("bundle", "attic", "--authorize", key).out
    assert re.fullmatch(
        rf'restrict,command="sudo -n [^"]* bundle {HOST} --serve" ssh-ed25519 \S+ {HOST}\n', line
    )
    assert "sudo" not in hub("bundle", "attic", "--authorize", key, "--as-root").out


def test_the_line_is_added_once_and_replaces_that_of_another_key(
    hub: Admin, key: Path, tmp_path: Path
) -> None:
    keys = hub.write("authorized_keys", "ssh-ed25519 AAAA admin@desk\n", 0o600)
    words = ("bundle", "attic", "--authorize", key, "--to", keys)
    hub(*words)
    once = keys.read_text()
    assert once.startswith("ssh-ed25519 AAAA admin@desk\nrestrict,command=")
    hub(*words)
    assert keys.read_text() == once
    key.write_text(SSH_KEY.replace("ILPj", "ILPk"))
    hub(*words)
    assert keys.read_text() == once.replace("ILPj", "ILPk")


def test_a_key_of_another_line_is_refused_since_sshd_obeys_the_first(hub: Admin, key: Path) -> None:
    keys = hub.write("authorized_keys", "", 0o600)
    hub("bundle", "attic", "--authorize", key, "--to", keys)
    hub("sasl", "list")
    for lines in (keys.read_text(), f'from="192.0.2.1,a b" {SSH_KEY}', f"# comment\n{SSH_KEY}"):
        keys.write_text(lines)
        said = hub.refuses(65, "bundle", "tuba", "--authorize", key, "--to", keys)
        number = lines.count("\n")
        assert f"line {number} is for the same key, which would not be tuba.polkatistas.org's alone" in said
        assert keys.read_text() == lines
    assert "fetches no bundles" in hub.refuses(77, "bundle", "tuba", "--serve")
    keys.write_text(f"#{SSH_KEY}")
    assert "may fetch its bundles" in hub("bundle", "tuba", "--authorize", key, "--to", keys).out


def test_who_fetches_for_another_program_than_its_last_bundle_was_for(
    hub: Admin, key: Path, tmp_path: Path
) -> None:
    hub("bundle", "attic", "--mta", "postfix", "-o", tmp_path / "attic.tar")
    said = hub("bundle", "attic", "--authorize", key, "--mta", "sendmail").warnings
    assert any("type this again with --mta postfix-client" in line for line in said)
    assert not hub("bundle", "attic", "--authorize", key, "--mta", "postfix-client").warnings


def test_another_key_of_a_host_changes_nothing_else(hub: Admin, key: Path) -> None:
    """Its next bundles were for Sendmail, by the account of all, and it was to come to another login."""

    def authorized() -> list[tuple[object, ...]]:
        return hub.query("SELECT program, login, options FROM pulls")

    told = shlex.split("--mta postfix --port 587 --with hash --days 30 --own-account --as-root")
    wanted = [("postfix-client", "root", "--host attic --account attic --with hash --port 587")]
    hub("bundle", "attic", "--authorize", key, *told)
    assert authorized() == wanted
    listed = hub.json("cert", "list")["certificates"]
    assert len({row["not_after"][:7] for row in listed}) == 2, "the hub's own and 30 days"
    for text in ("ILPk", "ILPl"):
        key.write_text(SSH_KEY.replace("ILPj", text))
        assert "sudo" not in hub("bundle", "attic", "--authorize", key).out
        assert authorized() == wanted
        assert b"port = 587" in member(fetched(hub), "etc/smtpcreds/client.toml")
    assert "sudo" in hub("bundle", "attic", "--authorize", key, "--defaults").out
    assert authorized() == [("postfix-client", "smtpcreds", "--host attic")]


def test_what_says_something_of_one_archive_is_refused_of_those_that_are_fetched(
    hub: Admin, key: Path, tmp_path: Path
) -> None:
    """With a secret that no database has, the host got none in any night."""
    words = ("bundle", "attic", "--authorize", key)
    said = hub.refuses(64, *words, "--password", hub.secret("kept"))
    assert "--password: is kept nowhere" in said
    for given in (("--new-key",), ("--no-key",), ("-o", tmp_path / "attic.tar"), ("--passphrase", "prompt:")):
        assert "--authorize: makes no archive now" in hub.refuses(64, *words, *given)


def test_options_that_a_person_wrote_before_a_line_stay(hub: Admin, key: Path) -> None:
    keys = hub.write("authorized_keys", "", 0o600)
    words = ("bundle", "attic", "--authorize", key, "--to", keys)
    hub(*words)
    line = keys.read_text()
    limit = 'from="192.0.2.0/24,!192.0.2.9",expiry-time="20991231",'
    for written in (limit + line, line.replace('" ssh', '",' + limit[:-1] + " ssh")):
        keys.write_text(written)
        key.write_text(SSH_KEY.replace("ILPj", "ILPk"))
        hub(*words)
        assert keys.read_text() == limit + line.replace("ILPj", "ILPk"), "the old key must not stay beside it"
        hub(*words)
        assert keys.read_text() == limit + line.replace("ILPj", "ILPk")
        key.write_text(SSH_KEY)


@pytest.mark.parametrize("text", ["", "nonsense\n", SSH_KEY * 2, "-----BEGIN OPENSSH PRIVATE KEY-----\n"])
def test_what_is_no_public_key(hub: Admin, key: Path, text: str) -> None:
    key.write_text(text)
    assert "is not one line with a public key of ssh" in hub.refuses(
        65, "bundle", "attic", "--authorize", key
    )
    assert "--authorize KEY.pub" in hub.refuses(64, "bundle", "attic", "--as-root")


@pytest.mark.parametrize("damage", [(" AAAAC3", " AAAA"), ("W8NQ/K", "W8NQ"), ("ssh-ed25519", "ssh-rsa")])
def test_a_key_that_was_cut_does_not_take_the_place_of_a_good_one(
    hub: Admin, key: Path, damage: tuple[str, str]
) -> None:
    words = ("bundle", "attic", "--authorize", key, "--to", hub.directory / "keys")
    hub(*words)
    key.write_text(SSH_KEY.replace(*damage))
    kind = key.read_text().partition(" ")[0]
    assert f"{key}: its key of {kind} is not whole, or none that sshd takes" in hub.refuses(65, *words)


def test_a_hub_that_sends_without_end_is_not_heard_to_its_end(hub: Admin, tmp_path: Path) -> None:
    (tmp_path / "ssh").write_text("#!/bin/sh\nexec head -c 270M /dev/zero\n")
    (tmp_path / "ssh").chmod(0o755)
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    said = hub.refuses(65, "setup", "--client", "ssh://hub.polkatistas.org", env=path)
    assert "ssh://hub.polkatistas.org: sent over 268435456 octets" in said
    assert "is no ssh://" in hub.refuses(64, "setup", "--client", "ssh://-F@hub.polkatistas.org")


def test_a_pull_that_changes_nothing_signs_and_records_nothing_but_that_it_was(hub: Admin, key: Path) -> None:
    hub("bundle", "attic", "--authorize", key)
    first = fetched(hub)
    assert fetched(hub) == first, "the same content is the same archive"
    before, events = signatures(hub), len(hub("inventory", "events", "--json").data["events"])
    assert fetched(hub, have=digest(first)) == b"current\n"
    assert signatures(hub) == before
    assert len(hub("inventory", "events", "--json").data["events"]) == events


def test_what_is_past_two_thirds_is_renewed_when_its_host_comes_and_not_before(hub: Admin, key: Path) -> None:
    hub("bundle", "attic", "--authorize", key)
    first = fetched(hub)
    later = hub.at("250 days")
    later("cert", "renew", "--due")
    second = fetched(later, have=digest(first))
    assert member(second, CERT) != member(first, CERT)
    assert fetched(later, have=digest(second)) == b"current\n"


def test_the_mail_server_of_the_hub_is_told_of_a_crl_that_a_pull_has_signed(hub: Admin, key: Path) -> None:
    hub("bundle", "attic", "--authorize", key)
    later, told = hub.at("21 days"), hub.directory / "told"
    number = hub.json("ca", "show")["crl_number"]
    fetched(later, "attic")
    assert later.json("ca", "show")["crl_number"] > number
    later("cert", "renew", "--due", "--reload", f"touch {told}")
    assert told.exists()
    told.unlink()
    later("cert", "renew", "--due", "--reload", f"touch {told}")
    assert not told.exists()


def test_what_comes_next_is_said_on_both_hosts(hub: Admin, key: Path, tmp_path: Path) -> None:
    keys = hub.write("keys", "", 0o644)
    said = hub("bundle", "attic", "--authorize", key, "--to", keys).out
    way = "on attic.polkatistas.org: smtpcreds setup --client ssh://dmzmail.polkatistas.org --edit --run"
    assert f"next: {way}\n" in said
    assert "ssh://root@dmzmail" in hub("bundle", "attic", "--authorize", key, "--to", keys, "--as-root").out
    timer = "systemctl enable --now smtpcreds-pull.timer"
    archive = fetched(hub)
    text = member(archive, "etc/smtpcreds/README.bundle").decode()
    assert timer in text
    assert "archive" not in text, "there is none"
    attic = Admin(tmp_path / "attic")
    (tmp_path / "attic.tar").write_bytes(archive)
    words = ("setup", "--client", tmp_path / "attic.tar")
    assert "systemctl" not in attic(*words), "cron does it"
    attic.path("/run/systemd/system").mkdir(parents=True)
    assert attic(*words).out.endswith(f"next: chroot {attic.root} {timer}\n")
    wanted = attic.path("/etc/systemd/system/timers.target.wants")
    wanted.mkdir()
    (wanted / "smtpcreds-pull.timer").symlink_to("/etc/systemd/system/smtpcreds-pull.timer")
    assert timer not in attic(*words)


def test_who_is_revoked_is_not_let_in_again_by_the_way(hub: Admin, key: Path) -> None:
    hub("bundle", "attic", "--authorize", key)
    said = hub("cert", "revoke", "attic").err
    assert "can still relay by AUTH" in said
    assert "still in place" not in said, "it is served to nobody"


def test_who_never_was_let_in_and_who_is_shut_out(hub: Admin, key: Path) -> None:
    said = hub.refuses(77, "bundle", "attic", "--serve")
    assert f"{HOST}: fetches no bundles from this hub" in said
    hub("bundle", "attic", "--authorize", key)
    fetched(hub)
    hub("cert", "revoke", "attic")
    ran = hub.run("bundle", "attic", "--serve", stdin=b"have none\n")
    assert (ran.status, ran.octets) == (77, b"")
    assert "was revoked on" in ran.err
    hub("bundle", "attic", "--authorize", key)
    assert fetched(hub)
    hub("cert", "retire", "attic")
    assert hub.run("bundle", "attic", "--serve", stdin=b"have none\n").status == 77


def no_pair(pair: Callable[..., Path]) -> None:
    pair("key").unlink()
    pair("cert").unlink()


DAMAGE: dict[str, Callable[[Callable[..., Path]], object]] = {
    "no key": lambda pair: pair("key").unlink(),
    "no certificate": lambda pair: pair("cert").unlink(),
    "neither": no_pair,
    "another key": lambda pair: pair("key").write_bytes(pair("key", "tuba").read_bytes()),
    "another certificate": lambda pair: pair("cert").write_bytes(pair("cert", "tuba").read_bytes()),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("verb", [("inventory", "check"), ("audit",)], ids=" ".join)
def test_what_is_said_of_a_pair_on_the_hub_mends_it(
    hub: Admin, key: Path, damage: str, verb: tuple[str, ...]
) -> None:
    """Typed as it stands, until it is silent; then the host gets a bundle that fits."""
    for host in ("attic", "tuba"):
        hub("bundle", host, "--authorize", key)
        fetched(hub, host)
    assert "PERM006" not in hub.run("audit").out

    def pair(what: str, host: str = "attic") -> Path:
        return hub.path(f"{STATE}/hosts/{host}-{what}.pem")

    DAMAGE[damage](pair)
    told = hub.run("--json", *verb).data
    (cure,) = {one["cure"] for one in told["findings"] if "/hosts" in one["subject"]}
    for _ in range(2):
        hub(*shlex.split(cure.removeprefix("put the key back from a backup, or: "))[1:])
    archive = fetched(hub)
    assert b"CERTIFICATE" in member(archive, CERT)
    assert hub.run(*verb).out.count("/hosts") == 0


def test_another_certificate_of_its_name_shuts_no_host_out(hub: Admin, key: Path, tmp_path: Path) -> None:
    hub("bundle", "attic", "--authorize", key)
    fetched(hub)
    other = tmp_path / "other"
    hub("cert", "issue", "attic", "--to", other, "--force")
    hub("cert", "revoke", hub.field(other / "attic-cert.pem", "-serial"))
    assert fetched(hub)
    assert f"{HOST}: was revoked, and gets nothing" not in hub.run("status").out
    hub("sasl", "passwd", "maildroid")
    assert f"{HOST}: has the secret that" in hub.run("status").out


def test_of_a_host_that_was_shut_out_nothing_is_due(hub: Admin, key: Path) -> None:
    hub("bundle", "attic", "--authorize", key)
    fetched(hub)
    hub("cert", "revoke", "attic")
    later = hub.at("10 days")
    assert "nothing is due" in later("status")
    assert later.json("cert", "renew", "--due")["findings"] == []
    assert "CERT023" not in later.run("audit")
    assert HOST not in later("inventory", "check")
    later("ca", "rollover")
    later("cert", "renew", "--old-authority")
    later("ca", "rollover", "--retire-old")
    assert later.json("cert", "renew", "--due")["findings"] == []
    assert HOST not in later.run("audit")


def test_an_authority_that_nobody_can_open_here_serves_what_there_is(locked: Admin) -> None:
    key = locked.write("key.pub", SSH_KEY, 0o644)
    locked("sasl", "add", "maildroid")
    locked("bundle", "attic", "--authorize", key, "--ca-passphrase", locked.secret("given"))
    first = fetched(locked)
    ran = locked.at("25 days").run("bundle", "attic", "--serve", stdin=b"have none\n")
    assert "was not renewed" in ran.err
    assert member(ran.octets, CERT) == member(first, CERT)
    ran = locked.at("250 days").run("bundle", "attic", "--serve", stdin=b"have none\n")
    assert (ran.status, ran.octets) == (65, b"")
    assert "expired" in ran.err, "a CRL that has ended is handed to nobody"


def test_each_host_gets_its_own_account_and_loses_it_alone(hub: Admin, key: Path) -> None:
    for host in ("attic", "tuba"):
        hub("bundle", host, "--authorize", key, "--own-account")
    infos = {host: member(fetched(hub, host), AUTH_INFO).decode().split("\n") for host in ("attic", "tuba")}
    assert {host: lines[1].partition("@")[0] for host, lines in infos.items()} == {
        "attic": "attic",
        "tuba": "tuba",
    }
    assert infos["attic"][2] != infos["tuba"][2]
    ran = hub("cert", "revoke", "attic")
    said = ran.out + ran.err
    assert f"{HOST}: can still relay by AUTH as attic@" in said
    assert "smtpcreds sasl delete attic" in said
    hub("cert", "retire", "tuba", "--with-accounts")
    names = hub("sasl", "list").out
    assert ACCOUNT.partition("@")[0] in names
    assert "tuba" not in names


def test_the_key_of_a_host_is_no_business_of_another(hub: Admin, key: Path) -> None:
    for host in ("attic", "tuba"):
        hub("bundle", host, "--authorize", key)
    archives = {host: fetched(hub, host) for host in ("attic", "tuba")}
    for host, other in (("attic", "tuba"), ("tuba", "attic")):
        secret = hub.path(f"{STATE}/hosts/{other}-key.pem").read_bytes()
        assert secret not in archives[host]
    assert hub.mode(f"{STATE}/hosts") == 0o700


def test_status_warns_of_who_does_not_come(hub: Admin, key: Path) -> None:
    hub("bundle", "attic", "--authorize", key)
    late = hub.at("5 days").run("status")
    assert "may fetch its bundles since" in late.out
    fetched(hub)
    row = hub.run("status", "--json").data["clients"][0]
    assert (row["host"], row["confirmed"], row["account"]) == (HOST, False, ACCOUNT)
    nagios = hub.at("5 days").run("status", "--format", "nagios")
    assert nagios.status == 1, nagios
    assert "client" in nagios.out or HOST in nagios.out
    prometheus = hub("status", "--format", "prometheus").out
    assert f'smtpcreds_client_last_pull_timestamp_seconds{{host="{HOST}"}}' in prometheus
    assert HOST in hub("status", "--format", "html").out


@pytest.mark.parametrize("program", [p.NAME for p in PROGRAMS.values() if p.ROLE is Role.CLIENT])
def test_every_mail_program_of_a_client_host(hub: Admin, key: Path, program: str) -> None:
    hub("bundle", "attic", "--mta", program, "--plaintext", "--authorize", key)
    settings = member(fetched(hub), "etc/smtpcreds/pull.conf").decode()
    assert f"PROGRAM={program}\n" in settings
    script = member(fetched(hub), "etc/smtpcreds/pull.sh")
    assert script.count(b"\n") <= 100
