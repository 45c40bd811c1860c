"""``bundle``: one archive that any tar extracts, with a key that is kept nowhere else."""

import os
import pty
import re
import select
import shlex
import subprocess
import tomllib
from base64 import b64encode
from pathlib import Path

import pytest
from admin import (
    ACCOUNT,
    CERTS,
    CONFIG,
    HUB,
    PATIENCE,
    SECRET,
    STATE,
    Admin,
    Tree,
    environment,
    peer,
    snapshot,
    without_random,
)

from smtpcreds.mta.program import Need, Role
from smtpcreds.mta.programs import PROGRAMS

HOST = "attic.polkatistas.org"
KEY = "etc/mail/certs/attic-key.pem"
AUTH_INFO = "etc/mail/default-auth-info"
README = "etc/smtpcreds/README.bundle"
MODES = {
    "etc/mail/certs": "drwx------",
    "etc/mail/certs/attic-cert.pem": "-rw-------",
    "etc/mail/certs/cacert.pem": "-rw-------",
    KEY: "-rw-------",
    AUTH_INFO: "-rw-------",
    "etc/mail/smtpcreds": "drwxr-xr-x",
    "etc/mail/smtpcreds/access": "-rw-r--r--",
    "etc/mail/smtpcreds/client.m4": "-rw-r--r--",
    "etc/smtpcreds": "drwxr-xr-x",
    README: "-rw-r--r--",
    "etc/smtpcreds/client.toml": "-rw-r--r--",
}


def extracted(archive: Path, target: Path) -> Tree:
    """Extract as the manual says, onto a host that has /etc and /etc/mail with modes of its own."""
    for path, mode in ((target, 0o755), (target / "etc", 0o751), (target / "etc/mail", 0o2755)):
        path.mkdir(exist_ok=True)
        path.chmod(mode)
    assert peer("tar", "-xpf", archive, "-C", target) == "", "tar has nothing to complain about"
    return snapshot(target)


def bundled(hub: Admin, *words: str | Path) -> Path:
    hub("bundle", "attic", *words)
    path = hub.root.parent / "attic.tar"
    assert path.stat().st_mode & 0o7777 == 0o600
    return path


def test_what_is_in_it_and_how_it_lies_on_the_host(hub: Admin, tmp_path: Path) -> None:
    there = extracted(bundled(hub), tmp_path / "attic")
    links = {path for path, (mode, *_) in there.items() if mode.startswith("l")}
    assert {path: state[0] for path, state in there.items() if path not in links} == MODES | {
        "etc": "drwxr-x--x",
        "etc/mail": "drwxr-sr-x",
        "etc/mail/certs": "drwx--S---",
    }, "tar leaves the bit that a new directory inherits from Debian's /etc/mail; it opens nothing"
    assert {there[path][3] for path in links} == {"cacert.pem"}
    assert {state[1:3] for state in there.values()} == {(0, 0)}
    certs = tmp_path / "attic/etc/mail/certs"
    how = ("-x509_strict", "-no-CAfile", "-CApath", certs)
    for purpose in ("sslclient", "sslserver"):
        peer(
            "openssl", "verify", *how, "-purpose", purpose, "-verify_hostname", HOST, certs / "attic-cert.pem"
        )
    public = peer("openssl", "x509", "-in", certs / "attic-cert.pem", "-noout", "-pubkey")
    assert peer("openssl", "pkey", "-in", certs / "attic-key.pem", "-pubout") == public
    given = hub.path(f"{STATE}/clients/maildroid/default-auth-info").read_bytes()
    assert (tmp_path / "attic" / AUTH_INFO).read_bytes() == given
    said = (tmp_path / "attic" / README).read_text()
    assert "include(`/etc/mail/smtpcreds/client.m4')dnl" in said
    assert "mta check sendmail-client" in said
    secret = given.splitlines()[2].decode()
    assert secret not in said
    assert tomllib.loads((tmp_path / "attic/etc/smtpcreds/client.toml").read_text()) == tomllib.loads(CONFIG)


def test_directories_stand_before_what_is_in_them_and_names_go_with_the_owners(hub: Admin) -> None:
    listed = peer("tar", "-tvf", bundled(hub)).splitlines()
    names = [line.split()[5].rstrip("/") for line in listed]
    assert {line.split()[1] for line in listed} == {"root/root"}
    for directory in ("etc/mail/certs", "etc/mail/smtpcreds", "etc/smtpcreds"):
        assert names.index(directory) < min(i for i, n in enumerate(names) if n.startswith(f"{directory}/"))
    assert names.index(KEY) < names.index("etc/mail/certs/attic-cert.pem")
    assert not {"etc", "etc/mail"} & set(names), "modes of shared directories are not ours"


def test_the_key_is_nowhere_on_the_hub(hub: Admin, tmp_path: Path) -> None:
    extracted(bundled(hub), tmp_path / "attic")
    key = (tmp_path / "attic" / KEY).read_text().splitlines()[1]
    for path in hub.root.rglob("*"):
        assert not path.is_file() or key.encode() not in path.read_bytes(), path
    assert not list(hub.path(CERTS).glob("attic*"))


def test_the_certificate_and_who_got_what_are_on_record(hub: Admin) -> None:
    hub("bundle", "attic")
    row = next(row for row in hub("cert", "list", "--json").data["certificates"] if row["host"] == HOST)
    event = hub("inventory", "events", "--json").data["events"][0]
    assert (event["what"], event["subject"]) == ("bundle", HOST)
    assert event["detail"] == (
        f"account {ACCOUNT}, program sendmail-client, certificate {row['serial']} with its key"
    )
    from smtpcreds.deploy.delivery import handovers
    from smtpcreds.inventory.inventory import open_inventory

    with open_inventory(str(hub.path(f"{STATE}/inventory.sqlite3")), machine="", read_only=True) as inventory:
        given = handovers(inventory.events())
    assert list(given) == [HOST]
    assert (given[HOST].account, given[HOST].program, given[HOST].with_key) == (
        ACCOUNT,
        "sendmail-client",
        True,
    )


def test_a_second_one_needs_a_word_about_the_key(hub: Admin, tmp_path: Path) -> None:
    hub("bundle", "attic")
    said = hub.refuses(73, "bundle", "attic", "--force")
    assert "only attic.polkatistas.org has its key" in said
    assert "attic.tar: exists and was not changed" in hub.refuses(73, "bundle", "attic", "--no-key")

    hub("bundle", "attic", "--no-key", "--force")
    there = extracted(tmp_path / "attic.tar", tmp_path / "one")
    assert KEY not in there
    assert "etc/mail/certs/attic-cert.pem" in there
    first = hub("cert", "list", "--json").data["certificates"]

    ran = hub("bundle", "attic", "--new-key", "--force")
    there = extracted(tmp_path / "attic.tar", tmp_path / "two")
    assert KEY in there
    previous = next(row["serial"] for row in first if row["host"] == HOST)
    assert f"smtpcreds cert revoke {previous}" in ran.out
    hub("cert", "revoke", previous)


def test_a_pair_that_lies_on_the_hub_is_taken(hub: Admin, tmp_path: Path) -> None:
    hub("cert", "issue", "attic", "--to", tmp_path / "own")
    data = hub("bundle", "attic", "--json").data
    assert data["certificate"]["origin"] == "pair"
    extracted(tmp_path / "attic.tar", tmp_path / "attic")
    for name in ("attic-key.pem", "attic-cert.pem"):
        assert (tmp_path / "attic/etc/mail/certs" / name).read_bytes() == (
            tmp_path / "own" / name
        ).read_bytes()
    (tmp_path / "own/attic-key.pem").write_bytes(hub.path(f"{CERTS}/dmzmail-key.pem").read_bytes())
    assert "is not the key of the certificate" in hub.refuses(65, "bundle", "attic", "--force")


def test_a_host_that_keeps_its_own_key(hub: Admin, tmp_path: Path) -> None:
    key, csr = tmp_path / "attic.key", tmp_path / "attic.csr"
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", key, "-out", csr)
    peer("openssl", "req", "-new", *new, "-subj", f"/CN={HOST}")
    said = hub.refuses(65, "bundle", "tuba", "--csr", csr)
    assert "does not ask for tuba.polkatistas.org; it asks for attic.polkatistas.org" in said
    hub("bundle", "attic", "--csr", csr)
    there = extracted(tmp_path / "attic.tar", tmp_path / "attic")
    assert KEY not in there
    public = peer(
        "openssl", "x509", "-in", tmp_path / "attic/etc/mail/certs/attic-cert.pem", "-noout", "-pubkey"
    )
    assert peer("openssl", "pkey", "-in", key, "-pubout") == public
    said = (tmp_path / "attic" / README).read_text()
    assert f"belongs in {CERTS}/attic-key.pem, mode 0600" in said


def test_a_request_gets_only_the_name_of_the_host_that_the_bundle_is_for(hub: Admin, tmp_path: Path) -> None:
    key, csr = tmp_path / "attic.key", tmp_path / "attic.csr"
    new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc", "-keyout", key, "-out", csr)
    names = f"subjectAltName=DNS:{HUB},DNS:{HOST},DNS:*.example.org,IP:10.0.0.1"
    peer("openssl", "req", "-new", *new, "-subj", f"/CN={HOST}", "-addext", names)
    ran = hub("bundle", "attic", "--csr", csr)
    ignored = [line.rpartition("ignored: ")[2] for line in ran.warnings if "ignored: " in line]
    assert ignored == [
        f"name {HUB}",
        "wildcard *.example.org",
        "address 10.0.0.1",
    ]
    extracted(tmp_path / "attic.tar", tmp_path / "attic")
    made = tmp_path / "attic/etc/mail/certs/attic-cert.pem"
    said = peer(
        "openssl", "x509", "-in", made, "-noout", "-subject", "-ext", "subjectAltName,extendedKeyUsage"
    )
    told = said.replace("CN = ", "CN=")  # OpenSSL before 3.2 has blanks
    assert [line.strip() for line in told.splitlines() if "X509v3" not in line] == [
        f"subject=CN={HOST}",
        "TLS Web Client Authentication",
        f"DNS:{HOST}",
    ]


def test_options_reach_the_files_and_the_settings(hub: Admin, tmp_path: Path) -> None:
    hub("sasl", "add", "droid@polka.example")
    options = (
        "--account",
        "droid@polka.example",
        "--port",
        "587",
        "--mechanism",
        "cram-md5",
        "--with",
        "authinfo-map",
    )
    there = extracted(bundled(hub, *options), tmp_path / "attic")
    assert AUTH_INFO not in there
    assert there["etc/mail/authinfo.db"][0] == "-rw-------"
    settings = tomllib.loads((tmp_path / "attic/etc/smtpcreds/client.toml").read_text())
    assert settings["sasl"] == {"account": "droid@polka.example"}
    assert settings["mta"] == {"choices": ["authinfo-map"], "mechanisms": ["cram-md5"], "port": 587}


def test_msmtp_logs_in_by_plain_rather_than_by_scram_alone(hub: Admin, tmp_path: Path) -> None:
    hub.write("/etc/group", "root:x:0:\nmail:x:8:\npostfix:x:12345:\n", 0o644)
    apply = ("mta", "apply", "postfix-hub", "--mechanism", "SCRAM-SHA-256")
    hub(*apply)
    warned = hub("bundle", "attic", "--mta", "msmtp", "--dry-run").warnings
    allow = "mta apply postfix-hub --plaintext --edit"
    assert any("offers SCRAM-SHA-256 alone, by which msmtp" in line and allow in line for line in warned)
    assert not hub("bundle", "attic", "--mta", "postfix-client", "--dry-run").warnings
    hub(*apply, "--plaintext")
    assert not hub("bundle", "attic", "--mta", "msmtp", "--dry-run").warnings
    extracted(bundled(hub, "--mta", "msmtp"), tmp_path / "attic")
    assert "auth plain\n" in (tmp_path / "attic/etc/msmtprc").read_text()


def test_owners_go_by_name_and_by_the_number_of_root(hub: Admin, tmp_path: Path) -> None:
    """msmtp reads its files as the group mail, whose number is this host's own business."""
    hub("bundle", "attic", "--mta", "msmtp")
    owners = [
        {
            line.split()[5]: line.split()[1]
            for line in peer("tar", *how, "-tvf", tmp_path / "attic.tar").splitlines()
        }
        for how in ((), ("--numeric-owner",))
    ]
    assert [found["etc/msmtprc"] for found in owners] == ["root/mail", "0/0"]
    assert [found["etc/mail/certs/attic-key.pem"] for found in owners] == ["root/root", "0/0"]
    there = extracted(tmp_path / "attic.tar", tmp_path / "attic")
    assert there["etc/ssl/smtpcreds/key.pem"][3] == there[KEY][3], "its own copy of the key"
    said = hub.refuses(64, "bundle", "attic", "--mta", "msmtp", "--no-key", "--force")
    assert "msmtp: needs a copy of the private key, and only attic.polkatistas.org has it" in said


def test_standard_output(hub: Admin, tmp_path: Path) -> None:
    target = tmp_path / "attic"
    target.mkdir()
    words = hub.command("bundle", "attic", "-o", "-")
    with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE) as made:
        subprocess.run(["tar", "-xpf", "-", "-C", target], stdin=made.stdout, check=True)
        assert made.stderr is not None
        assert b"certificate valid to" in made.stderr.read()
    assert made.returncode == 0
    assert (target / KEY).exists()
    assert not (tmp_path / "attic.tar").exists()

    with (tmp_path / "open").open("wb") as file:
        (tmp_path / "open").chmod(0o644)
        words = hub.command("bundle", "tuba", "-o", "-")
        done = subprocess.run(words, env=environment(), stdout=file, stderr=subprocess.PIPE)
    assert (done.returncode, (tmp_path / "open").read_bytes()) == (77, b"")
    assert b"standard output: is a file of mode 0644" in done.stderr
    assert "a secret is not printed as JSON" in hub.refuses(64, "bundle", "tuba", "-o", "-", "--json")
    assert "tuba" not in hub("cert", "list", "--all").out


@pytest.mark.parametrize("known", [True, False])
def test_a_secret_that_a_command_says(hub: Admin, tmp_path: Path, known: bool) -> None:
    """The preview of what goes to standard output makes a secret up, and it goes nowhere."""
    source = hub.secret("secret")
    change = ("passwd", "maildroid", "--password", source) if known else ("delete", "maildroid")
    hub("sasl", *change)
    words = ("bundle", "attic", "--password", f"cmd:cat {tmp_path / 'secret'}")
    assert f"would write {tmp_path / 'attic.tar'}" in hub("-n", *words).out
    (tmp_path / "made.tar").write_bytes(hub(*words, "-o", "-").octets)
    extracted(tmp_path / "made.tar", tmp_path / "attic")
    assert SECRET in (tmp_path / "attic" / AUTH_INFO).read_bytes().splitlines()


def test_a_wrong_secret_is_refused(hub: Admin, tmp_path: Path) -> None:
    hub.secret("secret")
    words = ("bundle", "attic", "-o", "-", "--password", f"cmd:cat {tmp_path / 'secret'}")
    assert "has another password" in hub.refuses(65, *words)


def test_a_state_that_came_back_without_its_lock(hub: Admin) -> None:
    hub("bundle", "attic")
    (hub.state / "lock").unlink()
    assert "has a certificate until" in hub("bundle", "attic", "--force", status=73).problem


def test_nobody_listens(hub: Admin) -> None:
    """A pipe that breaks: the certificate whose key got lost is given up."""
    read, write = os.pipe()
    os.close(read)
    words = hub.command("bundle", "attic", "-o", "-")
    done = subprocess.run(words, env=environment(), stdout=write, stderr=subprocess.PIPE)
    os.close(write)
    assert (done.returncode, b"standard output: Broken pipe" in done.stderr) == (74, True)
    assert hub("cert", "list", "--json", "--all").data["certificates"][-1]["state"] != "issued"
    hub("bundle", "attic")


def test_a_dry_run_changes_nothing(hub: Admin) -> None:
    before = snapshot(hub.root)
    lines = hub("bundle", "attic", "-n").out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["would", "sign", HOST],
        ["would", "write", str(hub.root.parent / "attic.tar")],
        ["would", "record", "in"],
    ]
    assert snapshot(hub.root) == before
    assert not (hub.root.parent / "attic.tar").exists()


@pytest.mark.parametrize(
    ("status", "words", "said"),
    [
        (64, ["dmzmail"], f"{HUB}: is the hub itself"),
        (
            64,
            ["attic", "--mta", "sendmail-hub"],
            "sendmail-hub: unknown mail program for a client",
        ),
        (64, ["attic", "--mta", "qmail"], "qmail: unknown mail program for a client"),
        (64, ["attic", "--with", "nonsense"], "nonsense: is not a choice of sendmail-client"),
        (67, ["attic", "--account", "nobody-there"], "nobody-there"),
        (64, ["attic", "--no-key", "--new-key"], "contradict each other"),
        (66, ["attic", "--no-key"], "has no valid certificate"),
        (65, ["attic.example.net"], "attic.example.net: "),
        (66, ["attic", "-o", "nowhere/attic.tar"], "nowhere: there is no such directory"),
        (66, ["attic", "--csr", "/nonexistent"], "/nonexistent: No such file"),
        (64, ["attic", "--passphrase", "generate:"], "a generated one would be unknown to everybody"),
        (64, ["attic", "--recipient", "age1nonsense"], "--recipient: takes age1... or ssh-ed25519"),
        (64, ["attic", "--days", "0"], "--days: takes 1 to"),
    ],
)
def test_refusals_change_nothing(hub: Admin, status: int, words: list[str], said: str) -> None:
    assert said in hub.refuses(status, "bundle", *words)
    assert not list(hub.root.parent.glob("*.tar*"))


def test_without_an_authority(smtpcreds: Admin) -> None:
    assert "there is no authority yet" in smtpcreds.refuses(66, "bundle", "attic")


def typed(passphrase: str, *words: str | Path) -> bytes:
    """Run a program that asks its terminal for a passphrase, and return what it prints."""
    master, slave = pty.openpty()

    def own_terminal() -> None:
        import fcntl
        import termios

        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    child = subprocess.Popen(
        [str(word) for word in words],
        stdin=slave,
        stdout=subprocess.PIPE,
        stderr=slave,
        start_new_session=True,
        preexec_fn=own_terminal,
    )
    os.close(slave)
    asked = b""
    while b":" not in asked:
        assert select.select([master], [], [], PATIENCE)[0], f"nothing more came after {asked!r}"
        asked += os.read(master, 100)
    os.write(master, passphrase.encode() + b"\n")
    out, _ = child.communicate(timeout=PATIENCE)
    os.close(master)
    assert child.returncode == 0, (asked, out)
    return out


def test_age_opens_what_is_encrypted_under_a_passphrase(hub: Admin, tmp_path: Path) -> None:
    hub.write("secret", "Ch1mp? ,03fuzz fl0ppi")
    said = hub("bundle", "attic", "--passphrase", "file:secret").out
    assert f"next: age -d attic.tar.age | tar -xpf - -C / on {HOST}," in said
    sealed = tmp_path / "attic.tar.age"
    assert sealed.stat().st_mode & 0o7777 == 0o600
    assert sealed.read_bytes().startswith(b"age-encryption.org/v1\n-> scrypt ")
    (tmp_path / "plain.tar").write_bytes(typed("Ch1mp? ,03fuzz fl0ppi", "age", "-d", sealed))
    assert KEY in extracted(tmp_path / "plain.tar", tmp_path / "attic")


@pytest.mark.parametrize("is_armored", [False, True])
def test_a_bundle_that_asks_for_gigabytes_is_refused_before_they_are_spent(
    hub: Admin, bare: Admin, is_armored: bool
) -> None:
    """The work factor stands in the header, before the passphrase is tried."""

    def sealed(content: bytes) -> bytes:
        lines = b"\n".join(re.findall(rb".{1,64}", b64encode(content)))
        armor = b"-----%s AGE ENCRYPTED FILE-----\n"
        return armor % b"BEGIN" + lines + b"\n" + armor % b"END" if is_armored else content

    hub.write("secret", "Ch1mp? ,03fuzz fl0ppi")
    hub("bundle", "attic", "--passphrase", "file:secret")
    real = (hub.directory / "attic.tar.age").read_bytes()
    costly = re.sub(rb"(-> scrypt \S+) [0-9]+\n", rb"\1 22\n", real, count=1)
    words = ("setup", "--client", "sealed", "--passphrase", "file:secret")
    bare.write("sealed", sealed(costly))
    bare.write("secret", "Ch1mp? ,03fuzz fl0ppi")
    assert "asks for 2^22 rounds of scrypt" in bare.refuses(65, *words)
    bare.write("sealed", sealed(real))
    bare("-n", *words)


def test_revocations_are_in_it_on_request(hub: Admin, tmp_path: Path) -> None:
    assert "CRL" not in hub("bundle", "attic").out
    there = extracted(bundled(hub, "--crl", "--new-key", "--force"), tmp_path / "attic")
    assert {path for path in there if path.endswith("crls.pem")} == {"etc/mail/certs/all-crls.pem"}
    certs = tmp_path / "attic/etc/mail/certs"
    peer("openssl", "verify", "-crl_check", "-no-CAfile", "-CApath", certs, certs / "attic-cert.pem")
    assert "confCRL" in (tmp_path / "attic/etc/mail/smtpcreds/client.m4").read_text()
    assert tomllib.loads((tmp_path / "attic/etc/smtpcreds/client.toml").read_text())["mta"]["crl"]


def test_a_crl_that_ends_before_the_certificate(hub: Admin) -> None:
    said = hub("bundle", "attic", "--crl").out
    command = said.split("      or smtpcreds ")[1].split(",")[0].split()
    assert command[:3] == ["ca", "crl", "--days"]
    archive = hub.root.parent / "attic.tar"
    assert "scp -p" in peer("tar", "-xOf", archive, README)
    hub(*command)
    again = hub("bundle", "attic", "--crl", "--new-key", "--force").out
    assert "its CRL" not in again
    assert "scp -p" not in peer("tar", "-xOf", archive, README)


CLIENTS = [p.NAME for p in PROGRAMS.values() if p.ROLE is Role.CLIENT]


@pytest.mark.parametrize("program", CLIENTS)
def test_without_a_word_nothing_in_it_demands_a_crl(hub: Admin, tmp_path: Path, program: str) -> None:
    """Two years later the hub is believed as on the first day: nothing fetches a list, so none may end."""
    secret = hub("sasl", "show", "maildroid", "--reveal").out.strip()
    words = ("--mta", program, *(() if program in {"msmtp", "dma"} else ("--plaintext",)))
    there = extracted(bundled(hub, *words), tmp_path / "attic")
    assert not [path for path in there if "crl" in path.lower() or path.endswith(".r0")]
    files = [path for path in (tmp_path / "attic").rglob("*") if path.is_file() and path.suffix != ".bundle"]
    named = re.compile(r"crl(?!f\b)", re.IGNORECASE)  # crlf is an option of curl
    told = {path: without_random(path.read_text("latin-1"), secret) for path in files}
    assert not [path for path, text in told.items() if named.search(text)]
    assert any(secret in path.read_text("latin-1") for path in files)
    assert "revoked" not in (tmp_path / "attic" / README).read_text()

    if Need.REVOCATIONS in PROGRAMS[program].NEEDS:
        with_crl = extracted(bundled(hub, *words, "--crl", "--new-key", "--force"), tmp_path / "other")
        assert "etc/mail/certs/crl.pem" in with_crl


@pytest.mark.parametrize("kind", ["age", "ssh"])
def test_age_opens_what_is_encrypted_for_a_key(hub: Admin, tmp_path: Path, kind: str) -> None:
    identity = tmp_path / "identity"
    if kind == "age":
        peer("age-keygen", "-o", identity)
        recipient = peer("age-keygen", "-y", identity).strip()
    else:
        peer("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", identity)
        recipient = identity.with_suffix(".pub").read_text().strip()
    said = hub("bundle", "attic", "--recipient", recipient, "-o", tmp_path / "attic's").out
    command = said.split("next: ")[1].split(f" on {HOST},")[0]
    there = command.replace("-i KEY", f"-i {identity}").replace("-C /", "-C attic")
    assert there != command.replace("-C /", "-C attic")
    (tmp_path / "attic").mkdir()
    peer("sh", "-c", f"cd {tmp_path}; {there}")
    assert KEY in snapshot(tmp_path / "attic")


def test_an_encrypted_authority_asks_under_its_own_name(locked: Admin) -> None:
    locked.write("secret", "Ch1mp? ,03fuzz fl0ppi")
    locked("sasl", "add", "maildroid")
    assert "is encrypted and no passphrase was given" in locked.refuses(77, "bundle", "attic")
    locked("bundle", "attic", "--ca-passphrase", "file:secret")


def test_mail_stops_with_the_crl_only_where_it_is_read(hub: Admin, tmp_path: Path) -> None:
    archive = tmp_path / "attic.tar"
    assert "mail stops" in hub("bundle", "attic", "--mta", "msmtp", "--crl", "-o", archive).out
    assert "Mail stops when it ends" in peer("tar", "-xOf", archive, README)
    assert "postfix-client reads none" in hub.refuses(64, "bundle", "cellar", "--mta", "postfix", "--crl")


def event_of(hub: Admin) -> str:
    return str(hub("inventory", "events", "--json").data["events"][0]["detail"])


REMEMBERED = [
    ("sendmail", "--mechanism CRAM-MD5 --access 'Try_TLS:old NO' --with authinfo-map --port 587 --crl"),
    ("sendmail", "--plaintext --external"),
    ("postfix", "--plaintext --with hash --port 465"),
    ("exim", "--mechanism PLAIN --with auth-optional --port 465"),
    ("msmtp", "--mechanism PLAIN --port 465 --crl"),
    ("nullmailer", "--plaintext --crl"),
]


@pytest.mark.parametrize(("program", "told"), REMEMBERED)
def test_the_next_bundle_is_told_what_the_last_one_was(
    hub: Admin, tmp_path: Path, program: str, told: str
) -> None:
    hub("sasl", "add", "droid")
    words = ("--account", "droid", "--days", "30", *shlex.split(told))
    first = hub("bundle", "attic", "--mta", program, *words)
    assert f"told, now and for its next one: {told}\n" in first.out
    assert event_of(hub).endswith(f" with its key, days 30, options {told}")
    before = extracted(tmp_path / "attic.tar", tmp_path / "one")
    for given in ((), ("--mta", program)):
        row = hub("bundle", "attic", "--new-key", "--force", "--json", *given).data
        assert (row["options"], row["account"]) == (told, f"droid@{HUB}")
        there = extracted(tmp_path / "attic.tar", tmp_path / "".join(("other", *given)))
        assert there.keys() == before.keys()
        settings = [(tmp_path / where / "etc/smtpcreds/client.toml") for where in ("one", "other")]
        assert settings[0].read_bytes() == settings[1].read_bytes()
    days = [row["not_after"][:10] for row in hub("cert", "list", "--json", "--all").data["certificates"]]
    assert len(set(days)) == 2, "the hub's own and 30 days"


def test_the_next_bundle_is_told_something_else(hub: Admin) -> None:
    again = ("bundle", "attic", "--new-key", "--force", "--json")
    hub("bundle", "attic", *shlex.split("--mta postfix --plaintext --with hash --port 587 --days 9"))
    assert hub(*again, "--mechanism", "CRAM-MD5").data["options"] == (
        "--mechanism CRAM-MD5 --with hash --port 587"
    )
    changed = hub(*again, "--mta", "sendmail").data
    assert (changed["program"], changed["options"]) == ("sendmail-client", "--port 587"), "hash is Postfix's"
    done = hub(*again, "--defaults", "--crl").data
    assert (done["program"], done["options"]) == ("sendmail-client", "--crl")
    assert ", days" not in event_of(hub)


def test_what_became_so_by_the_configuration_stops_no_bundle(hub: Admin) -> None:
    hub.configure(f'{CONFIG}[mta]\nmechanisms = ["SCRAM-SHA-512"]\n')
    hub("bundle", "attic", "--mta", "msmtp", "--plaintext")
    hub.configure(f'{CONFIG}[mta]\nmechanisms = ["CRAM-MD5"]\n')
    again = ("bundle", "attic", "--new-key", "--force")
    assert "--plaintext: would change nothing" in hub.refuses(64, *again, "--plaintext")
    hub(*again)


def test_who_deleted_the_account_of_a_host_has_shut_it_out(hub: Admin) -> None:
    """The host's next bundle had the account of all others."""
    hub("bundle", "attic", "--own-account")
    hub("sasl", "delete", "attic")
    said = hub.refuses(67, "bundle", "attic", "--new-key", "--force")
    assert "smtpcreds sasl add attic" in said
    assert hub("bundle", "attic", "--new-key", "--force", "--defaults", "--json").data["account"] == ACCOUNT
