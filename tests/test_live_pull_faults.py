"""What can go wrong when a client host fetches its bundle from a real sshd: on both hosts, and on the way."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from admin import HUB
from lab import Lab
from lab.layer import Software
from lab.msmtp import MSMTP, Msmtp
from lab.process import TIMEOUT
from lab.sshd import AUTHORIZED_KEYS, LOGIN, Sshd, with_sshd
from mail_hosts import CLIENT, FOREIGN, MailHost
from pull_hosts import KEY, KNOWN_HOSTS, SCRIPT, SSH, STATE, Client, Hub

pytestmark = pytest.mark.live
CERTIFICATES = "/etc/mail/certs"
LOCAL = "/etc/smtpcreds/pull.local"
TOOLS = "/var/lib/tools"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made


@pytest.fixture(scope="module")
def hub(lab: Lab) -> Hub:
    made = Hub(lab)
    made.start()
    return made


class BusyClient(Client):
    """A host whose programs are those of busybox, but for ssh and openssl."""

    software = Software((*MSMTP.packages, "busybox-static"), MSMTP.lay)


@pytest.fixture(scope="module")
def attic(lab: Lab, hub: Hub) -> Client:
    client = BusyClient(lab, hub, "attic").join()
    assert client.pull() == (0, "")
    return client


@pytest.fixture
def news(hub: Hub, attic: Client) -> Iterator[Client]:
    """A host for which there is something new; it is as the hub has it afterwards."""
    hub("cert", "renew", CLIENT)
    yield attic
    assert attic.pull() == (0, "")
    has_what_the_hub_has(hub, attic)


def has_what_the_hub_has(hub: Hub, client: Client) -> None:
    there = hub.host.path(f"/var/lib/smtpcreds/hosts/{client.name}-cert.pem").read_bytes()
    assert client.host.path(f"{CERTIFICATES}/{client.name}-cert.pem").read_bytes() == there
    assert not list(client.host.path(CERTIFICATES).glob("*.pulled"))


@contextmanager
def local(client: Client, lines: str) -> Iterator[None]:
    """Add to what differs on this host."""
    usual = client.host.path(LOCAL).read_text()
    client.host.write(LOCAL, usual + lines)
    try:
        yield
    finally:
        client.host.write(LOCAL, usual)


def spoken(client: Client, *words: str, stdin: str = "have none\n") -> subprocess.CompletedProcess[bytes]:
    """Run ssh with the key of the host, and words of one's own."""
    command = ("ssh", *SSH.split()[1:-1], *words)
    return subprocess.run(
        client.host.namespace.command(command), input=stdin.encode(), capture_output=True, timeout=TIMEOUT
    )


# On the client host.


def test_with_the_shell_and_the_programs_of_busybox(lab: Lab, hub: Hub, news: Client) -> None:
    applets = f"mkdir -p {TOOLS}; busybox --install -s {TOOLS}; cd {TOOLS}"
    news.host.shell(f"{applets}; ln -sf /usr/bin/ssh /usr/bin/openssl .")
    busy = ("env", f"PATH={TOOLS}", f"{TOOLS}/sh")
    assert news.pull(*busy) == (0, "")
    has_what_the_hub_has(hub, news)
    hub("cert", "renew", CLIENT)
    with local(news, "CHECK=false\n"):
        status, said = news.pull(*busy)
    assert (status, "and the former are back" in said) == (70, True), said
    assert news.pull(*busy) == (0, "")
    Msmtp(news.host).send(f"polkafan@{CLIENT}", FOREIGN)
    assert "verify=OK" in lab.sink.receive().headers["Received"]


@pytest.mark.parametrize("tool", ["ssh", "openssl", "tar"])
def test_a_program_that_is_not_there_is_named(news: Client, tool: str) -> None:
    places = "/usr/bin/* /usr/sbin/*"
    news.host.shell(f"rm -rf {TOOLS}; mkdir {TOOLS}; ln -sf {places} {TOOLS}; rm {TOOLS}/{tool}")
    status, said = news.pull("env", f"PATH={TOOLS}")
    assert (status, said) == (69, f"smtpcreds-pull: {CLIENT}: {tool} is not installed\n")


def test_two_at_once_where_there_is_no_ps(news: Client) -> None:
    news.host.shell(
        f"rm -rf {TOOLS}; mkdir {TOOLS}; ln -sf /usr/bin/* /usr/sbin/* {TOOLS}; rm {TOOLS}/ps {TOOLS}/ssh"
    )
    news.host.write(f"{TOOLS}/ssh", "#!/bin/sh\ntouch /var/lib/asked; exec sleep 100\n", 0o755)
    news.host.shell("rm -f /var/lib/asked")
    command = news.host.namespace.command(("env", f"PATH={TOOLS}", SCRIPT))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        news.host.shell("while [ ! -e /var/lib/asked ]; do sleep 0.05; done")
        assert news.pull("env", f"PATH={TOOLS}") == (75, "")
        news.host.shell(f"kill -9 $(cat {STATE}/lock)")
        first.wait(TIMEOUT)


def test_a_symbolic_link_where_certificates_are_stays_one(hub: Hub, news: Client) -> None:
    news.host.shell(f"mv {CERTIFICATES} /var/lib/certs; ln -s ../../var/lib/certs {CERTIFICATES}")
    try:
        with local(news, "CHECK=false\n"):
            before = news.installed()
            assert news.pull()[0] == 70
            assert news.installed() == before
        assert news.pull() == (0, "")
        assert news.host.path(CERTIFICATES).is_symlink()
        has_what_the_hub_has(hub, news)
    finally:
        news.host.shell(f"rm {CERTIFICATES}; mv /var/lib/certs {CERTIFICATES}")


def test_a_kill_while_the_mail_program_is_told(hub: Hub, news: Client) -> None:
    before = news.installed()
    with local(news, f"RUN='kill -9 \"$(cat {STATE}/lock)\"'\n"):
        assert news.pull()[0] in {-9, 137}
    assert news.installed() != before
    with local(news, "CHECK=false\n"):
        assert news.pull()[0] == 70
    assert news.installed() == before
    assert any("an interrupted run was undone" in line for line in news.logged())


def test_what_can_not_be_put_back_is_not_said_to_be_back(news: Client) -> None:
    """Outside the sandbox, in which nothing is mounted."""
    before = news.installed()
    news.host.shell(f"cp -a {CERTIFICATES} /var/lib/whole; mount -t tmpfs certs {CERTIFICATES}")
    news.host.shell(f"cp -a /var/lib/whole/. {CERTIFICATES}")
    try:
        with local(news, f"CHECK='mount -o remount,ro {CERTIFICATES}; exit 1'\n"):
            status, said = news.pull("env")
        assert status == 73
        assert "the former can't be put back" in said
        assert "are back" not in said
        status, said = news.pull("env")
        assert (status, "the files of before a killed run can't be put back" in said) == (73, True), said
        assert news.host.path(f"{STATE}/former.tar").exists()
        news.host.shell(f"mount -o remount,rw {CERTIFICATES}")
        with local(news, "CHECK=false\n"):
            assert news.pull("env")[0] == 70
        assert news.installed() == before
    finally:
        news.host.shell(f"umount {CERTIFICATES}; rm -r /var/lib/whole")


def test_a_bundle_of_a_hub_whose_clock_was_ahead_can_be_given_up(attic: Client) -> None:
    current = attic.host.path(f"{STATE}/current.tar")
    current.write_bytes(re.sub(rb" made=\d", b" made=9", current.read_bytes()))
    status, said = attic.pull()
    assert (status, "older than what is here; if the clock of the hub was ahead: " in said) == (65, True), (
        said
    )
    attic.host.shell(said.rpartition("ahead: ")[2])
    assert attic.pull() == (0, "")


# On the way.


@pytest.mark.parametrize(
    "words",
    [
        ("bundle tuba.polkatistas.org --serve",),
        ("bundle; cat /etc/shadow",),
        ("$(cat /etc/shadow)\n--force",),
        ("-o", "SendEnv=PYTHONPATH SMTPCREDS_ROOT", "bundle"),
    ],
    ids=repr,
)
def test_whatever_it_asks_for_a_host_gets_its_own_bundle(attic: Client, words: tuple[str, ...]) -> None:
    options = words[:-1] if len(words) > 1 else ()
    done = spoken(attic, *options, f"{LOGIN}@{HUB}", *words[len(options) :])
    assert b"smtpcreds bundle 1 host=attic.polkatistas.org" in done.stdout[:2048], done
    assert b"root:" not in done.stdout


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("-W", "127.0.0.1:25"), b"administratively prohibited"),
        (("-o", "ExitOnForwardFailure=yes", "-N", "-R", "2525:127.0.0.1:25"), b"forwarding failed"),
        (("-tt",), b"PTY allocation request failed"),
        (("-s",), b"subsystem request failed"),
    ],
    ids=repr,
)
def test_nothing_else_is_opened(attic: Client, words: tuple[str, ...], why: bytes) -> None:
    command = () if {"-W", "-N"} & set(words) else ("sftp",)
    done = spoken(attic, *words, f"{LOGIN}@{HUB}", *command, stdin="")
    assert (done.returncode, done.stdout, why in done.stderr) == (255, b"", True), done


def test_options_that_a_person_wrote_are_obeyed_and_stay(hub: Hub, attic: Client) -> None:
    keys = hub.host.path(AUTHORIZED_KEYS)
    listed = keys.read_text()
    keys.write_text(f'from="198.51.100.0/24",{listed}')
    try:
        hub.authorize(attic, "--mta", attic.program)
        assert keys.read_text() == f'from="198.51.100.0/24",{listed}'
        status, said = attic.pull()
        assert (status, "Permission denied" in said) == (69, True), said
        keys.write_text(f'from="{attic.host.address}",{listed}')
        assert attic.pull() == (0, "")
    finally:
        keys.write_text(listed)


def test_a_key_that_two_hosts_share_gets_one_of_them_nothing(lab: Lab, hub: Hub, attic: Client) -> None:
    cellar = Client(lab, hub, "cellar").join()
    for name in (KEY, f"{KEY}.pub"):
        cellar.host.path(name).write_text(attic.host.path(name).read_text())
    keys = hub.host.path(AUTHORIZED_KEYS)
    listed = keys.read_text()
    hub.host.write("/var/lib/key.pub", attic.host.path(f"{KEY}.pub").read_text())
    refused = hub.refused("bundle", "cellar", "--authorize", "/var/lib/key.pub", "--to", AUTHORIZED_KEYS)
    assert "is for the same key, which would not be cellar.polkatistas.org's alone" in refused
    assert keys.read_text() == listed
    before = cellar.installed()
    status, said = cellar.pull()
    assert (status, "the bundle is for attic.polkatistas.org with msmtp" in said) == (65, True), said
    assert cellar.installed() == before


@pytest.fixture(scope="module")
def foreign(lab: Lab) -> Hub:
    """Another organization's hub, of the same name, with an authority and a host key of its own."""
    host = lab.host("foreign.example.net", with_sshd(MSMTP))
    made = Hub.__new__(Hub)
    MailHost.__init__(made, host)
    made.sshd = Sshd(host)
    made("setup", HUB, "--no-passphrase")
    made.sshd.start()
    return made


@contextmanager
def led_to(client: Client, other: Hub) -> Iterator[None]:
    """Let the hub's name lead to another host."""
    client.host.write("/var/lib/misled", f"{other.host.address} {HUB}\n")
    client.host.shell("mount --bind /var/lib/misled /etc/hosts")
    try:
        yield
    finally:
        client.host.shell("umount /etc/hosts")


def test_a_foreign_hub_is_not_believed(foreign: Hub, news: Client) -> None:
    before = news.installed()
    foreign.authorize(news, "--mta", news.program)
    with led_to(news, foreign):
        status, said = news.pull()
        assert (status, "Host key verification failed" in said) == (69, True), said
        known = news.host.path(KNOWN_HOSTS).read_text()
        news.host.write(KNOWN_HOSTS, f"{HUB} {news.key_of(foreign.host)}\n")
        try:
            assert b"host=attic.polkatistas.org" in spoken(news, f"{LOGIN}@{HUB}").stdout[:2048]
            status, said = news.pull()
        finally:
            news.host.write(KNOWN_HOSTS, known)
    assert (status, "the certificate is not good here" in said) == (65, True), said
    assert news.installed() == before


# On the hub.


@pytest.mark.parametrize("options", ["ro", "size=0"], ids=["read-only", "full"])
@pytest.mark.parametrize("is_new", [False, True], ids=["nothing new", "renewed"])
def test_a_hub_that_can_not_record(hub: Hub, attic: Client, options: str, is_new: bool) -> None:
    """It hands nothing out, says why, and the client host goes on with what it has."""
    state = "/var/lib/smtpcreds"
    assert attic.pull() == (0, "")
    if is_new:
        hub("cert", "renew", CLIENT)
    before = attic.installed()
    hub.host.shell(f"cp -a {state} /var/lib/whole && mount -t tmpfs -o mode=700,size=2m state {state}")
    hub.host.shell(f"cp -a /var/lib/whole/. {state}")
    if options == "ro":
        hub.host.shell(f"mount -o remount,ro {state}")
    else:
        hub.host.shell(f"dd if=/dev/zero of={state}/filler bs=4k 2>/dev/null || true")
    try:
        status, said = attic.pull()
    finally:
        hub.host.shell(f"umount {state}; rm -r /var/lib/whole")
    why = "Read-only file system" if options == "ro" else "full|No space left"
    assert status == 77
    assert re.search(rf"the hub refuses: .*({why})", said), said
    assert attic.installed() == before
    assert attic.pull() == (0, "")
    has_what_the_hub_has(hub, attic)
