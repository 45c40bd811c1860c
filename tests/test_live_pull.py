"""A client host with nothing but ssh, openssl and tar fetches its bundles from a real sshd, and lives on."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from admin import HUB, TOP
from lab import Lab
from lab.msmtp import Msmtp
from lab.process import TIMEOUT
from lab.sshd import AUTHORIZED_KEYS, LOGIN, RULE
from mail_hosts import ACCOUNT, CLIENT, FOREIGN, MailHost
from pull_hosts import KEY, SCRIPT, STATE, Client, Hub

pytestmark = pytest.mark.live
CERTIFICATE = "/etc/mail/certs/attic-cert.pem"
README = {
    "test_a_new_secret_and_a_renewed_certificate_come_by_themselves": (
        "mkdir -p /etc/smtpcreds && ssh-keygen -t ed25519 -N '' -f /etc/smtpcreds/pull-key\n"
        "smtpcreds bundle attic --authorize pull-key.pub --to /etc/ssh/smtpcreds_keys\n"
        "echo have none | ssh -i /etc/smtpcreds/pull-key smtpcreds@dmzmail | tar -xpf - -C /"
        " && systemctl enable --now smtpcreds-pull.timer\n"
    ),
}
"""``pull_hosts.py`` has the steps of them, on hosts without systemd."""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def hub(lab: Lab) -> Hub:
    made = Hub(lab)
    made.start()
    return made


@pytest.fixture(scope="module")
def attic(lab: Lab, hub: Hub) -> Client:
    client = Client(lab, hub, "attic").join()
    assert client.pull() == (0, "")
    return client


def test_mail_flows_and_a_pull_that_changes_nothing_is_silent(lab: Lab, attic: Client) -> None:
    before, said = attic.installed(), len(attic.logged())
    assert attic.pull() == (0, "")
    assert attic.installed() == before
    assert len(attic.logged()) == said
    Msmtp(attic.host).send(f"polkafan@{CLIENT}", FOREIGN)
    received = " ".join(lab.sink.receive().headers["Received"].split())
    assert re.search(rf"from {CLIENT} .*by {HUB} .* with ESMTPSA .*verify=OK", received)


def test_a_new_secret_and_a_renewed_certificate_come_by_themselves(lab: Lab, hub: Hub, attic: Client) -> None:
    hub("sasl", "passwd", ACCOUNT)
    hub("cert", "renew", CLIENT)
    lines = len(attic.logged())
    assert attic.pull() == (0, "")
    assert re.search(r"took a new bundle from .*: \d+ files, certificate to ", attic.logged()[-1])
    assert len(attic.logged()) == lines + 1
    Msmtp(attic.host).send(f"polkafan@{CLIENT}", FOREIGN)
    assert "verify=OK" in lab.sink.receive().headers["Received"]


def test_the_page_has_the_account_that_is_tried() -> None:
    page = (TOP / "man/smtpcreds-bundle.1").read_text()
    assert f"<<'END'\n{RULE}END\n" in page
    assert f"Match User {LOGIN}\n    AuthorizedKeysFile {AUTHORIZED_KEYS}\n" in page


def test_the_key_opens_nothing_but_the_bundle(hub: Hub, attic: Client) -> None:
    ssh = f"ssh -i {KEY} -o UserKnownHostsFile=/etc/smtpcreds/known_hosts {LOGIN}@{HUB}"
    tar = subprocess.run(
        attic.host.namespace.command(("sh", "-c", f"echo have none | {ssh} cat /etc/shadow")),
        capture_output=True,
        timeout=TIMEOUT,
    )
    assert b"smtpcreds bundle 1 host=attic.polkatistas.org" in tar.stdout[:2048]
    for word in ("have ../../etc/shadow", "want tuba.polkatistas.org", "x" * 1000):
        done = subprocess.run(
            attic.host.namespace.command(("sh", "-c", f"echo '{word}' | {ssh}")),
            capture_output=True,
            timeout=TIMEOUT,
        )
        assert (done.returncode, done.stdout) == (64, b""), done.stderr
        assert b"takes a line: have SHA256" in done.stderr


def test_a_hub_that_does_not_answer_or_has_another_key(hub: Hub, attic: Client) -> None:
    before = attic.installed()
    hub.sshd.stop()
    status, said = attic.pull()
    assert (status, "does not answer" in said) == (69, True)
    shutil.copytree(hub.host.path("/etc/ssh"), hub.host.path("/var/lib/ssh"))
    hub.sshd.new_key()
    hub.sshd.start()
    try:
        status, said = attic.pull()
        assert (status, "Host key verification failed" in said) == (69, True), said
    finally:
        hub.sshd.stop()
        hub.host.shell("cp -p /var/lib/ssh/ssh_host_* /etc/ssh/")
        hub.sshd.start()
    assert attic.installed() == before
    assert attic.pull() == (0, "")


def test_archives_that_are_not_what_they_should_be(lab: Lab, hub: Hub, attic: Client, tmp_path: Path) -> None:
    before = attic.installed()
    good = attic.host.path(f"{STATE}/current.tar").read_bytes()
    assert attic.served(good[:-3000])[1].count("was cut or changed") == 1
    assert "was cut or changed" in attic.served(good.replace(b"BEGIN", b"begin"))[1]
    assert attic.served(b"nonsense")[0] == 65

    hub("bundle", "tuba", "--mta", "msmtp", "-o", "/var/lib/tuba.tar")
    said = attic.served(hub.host.path("/var/lib/tuba.tar").read_bytes())
    assert said[0] == 65
    assert "is for tuba.polkatistas.org with msmtp" in said[1]

    made = int(re.search(rb" made=(\d+)", good)[1])  # type: ignore[index]
    older = good.replace(b" made=%d" % made, b" made=%d" % (made - 9))
    assert "is older than what is here" in attic.served(older)[1]

    other = MailHost(hub.host)
    foreign = ("--root", "/var/lib/foreign")
    other(*foreign, "setup", HUB, "--no-passphrase")
    other(*foreign, "bundle", CLIENT, "--mta", "msmtp", "--crl", "-o", "/var/lib/foreign.tar")
    status, why = attic.served(hub.host.path("/var/lib/foreign.tar").read_bytes())
    assert (status, "is not good here" in why) == (65, True), why
    assert attic.installed() == before


def test_a_key_that_is_not_in_the_list(hub: Hub, attic: Client) -> None:
    keys = hub.host.path(AUTHORIZED_KEYS)
    listed = keys.read_text()
    keys.write_text("")
    try:
        status, said = attic.pull()
    finally:
        keys.write_text(listed)
    assert (status, "Permission denied" in said) == (69, True), said


def renewed(hub: Hub) -> None:
    hub("cert", "renew", CLIENT)


def test_a_clock_that_is_years_off(hub: Hub, attic: Client) -> None:
    before = attic.installed()
    renewed(hub)
    for clock, why in (("+2y", "certificate has expired"), ("-2y", "certificate is not yet valid")):
        status, said = attic.pull("faketime", "-f", clock)
        assert (status, why in said) == (65, True), said
        assert attic.installed() == before
    assert attic.pull() == (0, "")
    assert attic.installed() != before


def test_two_at_once(attic: Client) -> None:
    attic.host.write("/usr/local/bin/ssh", "#!/bin/sh\ntouch /var/lib/begun; sleep 100\n", 0o755)
    slow = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    command = attic.host.namespace.command(("env", slow, SCRIPT))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        attic.host.shell("while [ ! -e /var/lib/begun ]; do sleep 0.05; done")
        assert attic.pull() == (75, "")
        attic.host.shell(f"kill -9 $(cat {STATE}/lock)")
        first.wait(TIMEOUT)
    attic.host.shell("rm /usr/local/bin/ssh")
    assert attic.pull() == (0, ""), "whoever had the lock is gone"


@pytest.mark.parametrize("place", [STATE, "/etc/mail/certs"])
def test_a_full_disk(hub: Hub, attic: Client, place: str) -> None:
    renewed(hub)
    attic.host.shell(
        f"cp -a {place} /var/lib/whole && mount -t tmpfs -o size=200k,mode=700 full {place} &&"
        f" cp -a /var/lib/whole/. {place}; dd if=/dev/zero of={place}/filler bs=512 2>/dev/null || true"
    )
    before = attic.installed()
    try:
        status, said = attic.pull()
        assert status in {65, 73}, said
        assert re.search("no room|the disk is full", said)
        assert attic.installed() == before
    finally:
        attic.host.shell(f"umount {place}; rm -rf /var/lib/whole")
    assert attic.pull() == (0, "")


def test_a_program_that_does_not_go_on_gets_its_former_files_back(hub: Hub, attic: Client) -> None:
    renewed(hub)
    before = attic.installed()
    local = attic.host.path("/etc/smtpcreds/pull.local")
    usual = local.read_text()
    local.write_text(f"{usual}CHECK='echo no such keyword >&2; exit 1'\n")
    try:
        status, said = attic.pull()
    finally:
        local.write_text(usual)
    assert status == 70
    assert "msmtp does not go on with the new files, and the former are back: no such keyword" in said
    assert attic.installed() == before
    assert "does not go on" in attic.logged()[-1]
    assert attic.pull() == (0, "")
    assert attic.installed() != before


KILLER = """\
#!/bin/sh
echo >> /var/lib/calls
[ "$(wc -l < /var/lib/calls)" != "$KILLED_AT" ] || kill -9 "$(cat {state}/lock)"
exec /usr/bin/{name} "$@"
"""


def test_a_kill_at_each_step_is_made_up_for_by_the_next_run(lab: Lab, hub: Hub, attic: Client) -> None:
    for name in ("cp", "mv", "tar", "rm", "openssl", "ssh"):
        attic.host.write(f"/usr/local/bin/{name}", KILLER.format(name=name, state=STATE), 0o755)
    path = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    number, status = 0, -9
    while status:
        number += 4
        renewed(hub)
        attic.host.shell("rm -f /var/lib/calls")
        status, _ = attic.pull("env", path, f"KILLED_AT={number}")
        assert status in {0, -9, 137}, number
        clean = attic.pull("env", "PATH=/usr/sbin:/usr/bin:/sbin:/bin")
        assert clean == (0, ""), number
        serial = hub.host.path("/var/lib/smtpcreds/hosts/attic-cert.pem").read_bytes()
        assert attic.host.path(CERTIFICATE).read_bytes() == serial, number
        assert attic.host.path("/etc/ssl/smtpcreds/cert.pem").read_bytes() == serial, number
    assert number > 20
    attic.host.shell("cd /usr/local/bin && rm cp mv tar rm openssl ssh")
    Msmtp(attic.host).send(f"polkafan@{CLIENT}", FOREIGN)
    assert "verify=OK" in lab.sink.receive().headers["Received"]


def test_another_authority_comes_and_the_old_one_goes(lab: Lab, hub: Hub, attic: Client) -> None:
    hub("ca", "rollover")
    assert attic.pull() == (0, "")
    issuer = attic.host.run(("openssl", "x509", "-in", CERTIFICATE, "-noout", "-issuer"))
    assert "G2" in issuer, "first both authorities, then a certificate of the new one, in one run"
    hub("cert", "renew", "--old-authority")
    hub.sendmail.reload()
    assert attic.pull() == (0, "")
    Msmtp(attic.host).send(f"polkafan@{CLIENT}", FOREIGN)
    assert "verify=OK" in lab.sink.receive().headers["Received"]


def test_the_secret_is_rotated(lab: Lab, hub: Hub, attic: Client) -> None:
    hub("sasl", "rotate", ACCOUNT)
    assert f"the new one is not yet on {CLIENT}" in hub.run("status").out
    assert attic.pull() == (0, "")
    assert not re.search(rf"the new one is not yet on .*{CLIENT}", hub.run("status").out)
    kept = hub.run("sasl", "rotate", ACCOUNT, "--retire")
    assert (kept.status, "is still the account of tuba." in kept.err) == (77, True), kept
    hub("sasl", "rotate", ACCOUNT, "--retire", "--force")
    Msmtp(attic.host).send(f"polkafan@{CLIENT}", FOREIGN)
    assert "verify=OK" in lab.sink.receive().headers["Received"]


def test_the_hub_knows_who_came(hub: Hub, attic: Client) -> None:
    (one,) = [
        row for row in json.loads(hub.run("--json", "status").octets)["clients"] if row["host"] == CLIENT
    ]
    assert (one["fetches"], one["confirmed"]) == (True, True)
    late = hub.run("status", later="+5d")
    assert re.search(rf"{CLIENT}: came last on .*; what it holds ends on ", late.out)
    assert f"on that host: {SCRIPT}" in late.out


def test_a_host_that_was_revoked_gets_nothing_and_is_told(lab: Lab, hub: Hub) -> None:
    tuba = Client(lab, hub, "organ").join()
    before = tuba.installed()
    hub("cert", "revoke", "organ")
    status, said = tuba.pull()
    assert status == 77
    assert re.search(r"the hub refuses: organ.polkatistas.org: was revoked on .* and gets nothing", said)
    assert tuba.installed() == before
    assert "was revoked" in tuba.logged()[-1]
