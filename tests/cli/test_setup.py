"""``setup``: a hub in one go, again without a change, and refusals before the first write."""

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from admin import ACCOUNT, AUTH_INFO, CERTS, CONFIG, HUB, INVENTORY, SASLDB, STATE, Admin, peer, snapshot

SETTINGS = "/etc/smtpcreds/smtpcreds.toml"
PARTS = ["authority", "certificate", f"account {ACCOUNT}", "default-auth-info", "configuration"]


def test_everything_a_hub_needs(bare: Admin) -> None:
    ran = bare("setup", HUB)
    lines = ran.out.splitlines()
    assert lines[0] == f"{HUB}: ready"
    assert [line.partition("  ")[0] for line in (line.strip() for line in lines[1:6])] == PARTS
    assert lines[6].startswith(f"next: copy {bare.path(AUTH_INFO)} to /etc/mail/default-auth-info")
    assert len(ran.warnings) == 1
    assert "is not encrypted" in ran.warnings[0]
    assert tomllib.loads(bare.path(SETTINGS).read_text()) == tomllib.loads(CONFIG)
    secret = bare("sasl", "show", "maildroid", "--reveal").out
    assert bare.path(AUTH_INFO).read_text() == f"maildroid\nmaildroid\n{secret}{HUB}\n"
    modes = {path: bare.mode(path) for path in (STATE, CERTS, SASLDB, AUTH_INFO, SETTINGS)}
    assert modes == {
        STATE: 0o700,
        CERTS: 0o700,
        SASLDB: 0o600,
        AUTH_INFO: 0o600,
        SETTINGS: 0o644,
    }
    bundle, leaf = bare.path(f"{CERTS}/cacert.pem"), bare.path(f"{CERTS}/dmzmail-cert.pem")
    peer("openssl", "verify", "-x509_strict", "-verify_hostname", HUB, "-CAfile", bundle, leaf)


def test_a_second_run_changes_nothing_and_says_so(hub: Admin) -> None:
    before = snapshot(hub.root)
    ran = hub("setup", HUB)
    assert ran.out.splitlines()[0] == f"{HUB}: was ready; nothing changed"
    assert ran.out.count("(was there)") == len(PARTS)
    assert snapshot(hub.root) == before
    data = hub("setup", "dmzmail", "--json").data
    assert (data["changed"], [part["made"] for part in data["parts"]]) == (False, [False] * 5)
    assert snapshot(hub.root) == before
    assert hub("setup", HUB, "-n").out == "nothing to do\n"


@pytest.mark.parametrize("what", ["authority", "role", "name", "half", "revoked"])
def test_a_certificate_that_client_hosts_refuse_is_not_what_was_there(hub: Admin, what: str) -> None:
    """It would be handed out as if it were fine; a revoked one is of no more use, as for ``cert issue``."""
    key, leaf = hub.certs / "dmzmail-key.pem", hub.certs / "dmzmail-cert.pem"
    if what == "authority":
        hub.write("/etc/hostname", f"{HUB}\n", 0o644)
        shutil.rmtree(hub.state / "ca")
        hub("ca", "init", "--no-passphrase", "--force")
    elif what == "role":
        hub("cert", "issue", "dmzmail", "--client", "--force")
    elif what == "name":
        hub("cert", "issue", "tuba")
        for file in (key, leaf):
            file.write_bytes(file.with_name(file.name.replace("dmzmail", "tuba")).read_bytes())
    elif what == "half":
        leaf.unlink()
    else:
        hub("cert", "revoke", "dmzmail")
    before = key.read_bytes()
    if what != "revoked":
        said = hub.refuses(73, "setup", HUB)
        reason = {
            "authority": "dmzmail-cert.pem: is of CN=polkatistas.org Mail CA, which client hosts of this ",
            "role": "dmzmail-cert.pem: is not for TLS servers (extendedKeyUsage)",
            "name": f"dmzmail-cert.pem: is not for {HUB}; it holds tuba.{HUB.partition('.')[2]}",
            "half": "dmzmail-key.pem: is a key without its certificate",
        }
        assert reason[what] in said
        assert "force" in said.partition("hint: ")[2]
    ran = hub("setup", HUB, *(["--force"] if what != "revoked" else []))
    assert f"{leaf}  0600" in ran.out
    assert f"{leaf}  0600 root:root  (was there)" not in ran.out
    assert key.read_bytes() != before
    assert "nothing changed" in hub("setup", HUB, "--force").out
    hub("cert", "verify", HUB)


@pytest.mark.parametrize(
    "gone", [f"{CERTS}/dmzmail-*.pem", f"{CERTS}/c*.pem", f"{CERTS}/*.r0", SASLDB, AUTH_INFO, SETTINGS]
)
def test_what_is_missing_is_made_and_the_rest_stays(hub: Admin, gone: str) -> None:
    before = snapshot(hub.root)
    for path in list(hub.root.glob(gone.lstrip("/"))):
        path.unlink()
    if gone == SASLDB:
        hub.path(AUTH_INFO).unlink()
    hub("setup", HUB)
    after = snapshot(hub.root)
    assert after.keys() == before.keys()
    changed = {path for path in before if before[path] != after[path]}
    own = {
        path for path in before if Path(path).match(gone.lstrip("/")) or path.endswith("inventory.sqlite3")
    }
    assert changed <= own | ({AUTH_INFO.lstrip("/")} if gone == SASLDB else set())


def test_a_dry_run_is_the_plan(bare: Admin) -> None:
    lines = bare("setup", HUB, "-n").out.splitlines()
    assert not bare.root.exists()
    named = {line.split()[2] for line in lines if line.split()[1] in {"make", "write", "link"}}
    assert f"would add {ACCOUNT}  ({bare.path(SASLDB)})" in lines
    assert lines[-1].startswith(f"would record in {bare.path(INVENTORY)}  (")
    bare("setup", HUB, "--no-passphrase")
    assert named - {str(bare.root)} == {str(path) for path in bare.root.rglob("*")}


def test_another_account_and_a_chosen_password(bare: Admin) -> None:
    bare.write("secret", "Ch1mp? ,03fuzz fl0ppi")
    bare("setup", HUB, "--account", "droid", "--password", "file:secret", "--no-passphrase")
    written = bare.path(f"{STATE}/clients/droid/default-auth-info").read_text()
    assert written == f"droid\ndroid\nCh1mp? ,03fuzz fl0ppi\n{HUB}\n"


def test_a_passphrase_is_read_once_and_serves_both_parts(bare: Admin) -> None:
    ran = bare("setup", HUB, "--passphrase", "stdin:", stdin=b"over the hills\n")
    assert ran.err == ""
    assert b"ENCRYPTED" in bare.path(f"{STATE}/ca/ca-key.pem").read_bytes()
    before = snapshot(bare.root)
    assert bare("setup", HUB).err == "", "a hub that is ready needs no passphrase"
    assert snapshot(bare.root) == before
    bare.path(f"{CERTS}/dmzmail-cert.pem").unlink()
    bare.path(f"{CERTS}/dmzmail-key.pem").unlink()
    bare.write("wrong", "wrong")
    bare.path(SASLDB).unlink()
    bare.path(AUTH_INFO).unlink()
    assert "does not open this key" in bare.refuses(77, "setup", HUB, "--passphrase", "file:wrong")
    assert "is encrypted and no passphrase was given" in bare.refuses(77, "setup", HUB)


@pytest.mark.parametrize(
    ("status", "words", "said"),
    [
        (65, ["dmz mail.example.net"], "dmz mail.example.net: host name has a character"),
        (64, [""], "missing argument 'HOST'"),
        (64, [HUB, "--account", ""], "'--account': is empty"),
        (65, [HUB, "--account", "../../x"], "../../x: can't name the directory"),
        (65, [HUB, "--account", "root"], "root: is a login account on this host"),
        (66, [HUB, "--password", "env:UNSET"], "env:UNSET: is not set"),
        (64, [HUB, "--password", "over the hills"], "secret source: unknown; use "),
        (66, [HUB, "--passphrase", "file:/nonexistent"], "/nonexistent: there is no such file"),
        (64, [HUB, "--passphrase", "stdin:", "--no-passphrase"], "--no-passphrase: contradicts"),
    ],
)
def test_refusals_come_before_the_first_write(bare: Admin, status: int, words: list[str], said: str) -> None:
    words = [word for word in words if word] if words == [""] else words
    assert said in bare.refuses(status, "setup", *words)
    assert not bare.root.exists()


def test_a_short_name_without_a_domain(bare: Admin) -> None:
    bare.write("/etc/hostname", "dmzmail\n", 0o644)
    assert bare.refuses(65, "setup", "dmzmail") == (
        "smtpcreds: dmzmail: is not a full name\n  hint: smtpcreds setup dmzmail.DOMAIN"
    )


def test_another_hub_than_the_configured_one(hub: Admin) -> None:
    said = hub.refuses(64, "setup", "mx.polkatistas.org")
    assert (
        f"mx.polkatistas.org: is not the hub of {hub.path('/etc/smtpcreds/smtpcreds.toml')}, which says {HUB}"
        in said
    )


def test_a_configuration_without_the_hub_is_pointed_out(bare: Admin) -> None:
    bare.write("/etc/hostname", "workbench\n", 0o644)
    bare.configure('domain = "polkatistas.org"\n')
    ran = bare("setup", "dmzmail", "--no-passphrase")
    assert len(ran.warnings) == 1
    assert "names no hub, so other commands take " in ran.warnings[0]
    assert ran.warnings[0].endswith(f'add hub = "{HUB}"')


def test_a_hub_outside_the_domain_of_the_new_authority(bare: Admin) -> None:
    bare.write("/etc/hostname", "workbench\n", 0o644)
    bare.configure('domain = "polkatistas.org"\n')
    assert (
        "mx.example.net: is outside what the new CA may certify"
        in bare.run("setup", "mx.example.net").problem
    )
    assert not bare.path(STATE).exists()


@pytest.mark.parametrize("account_is", ["changed", "gone"])
def test_default_auth_info_with_another_secret_is_not_called_ready(hub: Admin, account_is: str) -> None:
    if account_is == "changed":
        hub("sasl", "auth-info", "maildroid", "--to", hub.path(AUTH_INFO), "--force")
        hub.path(AUTH_INFO).write_text(f"somebody\nsomebody\nelse\n{HUB}\n")
    else:
        peer("saslpasswd2", "-d", "-f", hub.path(SASLDB), "-u", HUB, "maildroid")
    said = hub.refuses(73, "setup", HUB)
    assert said.startswith(f"smtpcreds: {hub.path(AUTH_INFO)}: holds ")
    if account_is == "changed":
        words = said.rpartition("hint: smtpcreds ")[2].split()
        hub(*words)
    else:
        hub.path(AUTH_INFO).unlink()
    assert hub("setup", HUB).out.startswith(f"{HUB}: ")


@pytest.mark.parametrize("obstacle", ["link", "group", "bundle", "database", "mode of a new database"])
def test_obstacles_are_found_before_an_authority_is_made(bare: Admin, obstacle: str, tmp_path: Path) -> None:
    certs = bare.path(CERTS)
    certs.mkdir(parents=True, mode=0o700)
    if obstacle == "link":
        certs.rmdir()
        (tmp_path / "elsewhere").mkdir()
        certs.symlink_to(tmp_path / "elsewhere")
    make: dict[str, Callable[[], object]] = {
        "group": lambda: certs.chmod(0o770),
        "bundle": lambda: bare.write(f"{CERTS}/cacert.pem", "another one's"),
        "database": lambda: bare.write(SASLDB, b"\0" * 600),
        "mode of a new database": lambda: bare.configure('[sasl]\nmode = "0644"\n'),
    }
    make.get(obstacle, bool)()
    status = {"bundle": 65, "database": 65, "mode of a new database": 78}.get(obstacle, 77)
    bare.refuses(status, "setup", HUB)


FRAGMENT = "/etc/mail/smtpcreds/hub.m4"


def test_the_mail_program_of_a_new_hub_comes_last(bare: Admin) -> None:
    planned = bare("setup", HUB, "--mta", "sendmail", "-n").out.splitlines()
    assert not bare.root.exists()
    written = [line.split()[2] for line in planned if line.startswith("would write ")]
    assert written[-2:] == [str(bare.path("/etc/sasl2/Sendmail.conf")), str(bare.path(FRAGMENT))]
    out = bare("setup", HUB, "--mta", "sendmail", "--no-passphrase").out
    assert "  include(`/etc/mail/smtpcreds/hub.m4')dnl" in out
    assert f"""  chroot {bare.root} sh -c 'kill -HUP "$(head -n 1 """ in out
    before = snapshot(bare.root)
    again = bare("setup", HUB, "--mta", "sendmail-hub")
    assert again.out.splitlines()[0] == f"{HUB}: was ready; nothing changed"
    assert "  include(`/etc/mail/smtpcreds/hub.m4')dnl" in again.out, "it is still to be done"
    assert bare("setup", HUB, "--mta", "sendmail", "--json").data["files"] == [
        {"path": str(bare.path("/etc/sasl2/Sendmail.conf")), "written": False},
        {"path": str(bare.path(FRAGMENT)), "written": False},
    ]
    assert snapshot(bare.root) == before


COPY = "/var/spool/postfix/etc/postfix/sasldb2"
KEPT = f'copies = ["{COPY}"]'


def installed(host: Admin) -> None:
    """What Debian's package of Postfix brings, as far as it is looked at."""
    host.write("/etc/group", "postfix:x:12345:\n", 0o644)
    host.write("/etc/postfix/main.cf", "compatibility_level = 3.6\n", 0o644)


def test_the_configuration_keeps_the_copy_of_postfix_in_step(bare: Admin) -> None:
    installed(bare)
    out = bare("setup", HUB, "--mta", "postfix", "--no-passphrase").out
    assert KEPT not in out, "nothing is left to do there"
    assert tomllib.loads(bare.path(SETTINGS).read_text())["sasl"] == {"copies": [COPY]}
    findings = bare.run("audit", "--json").data["findings"]
    assert [f["code"] for f in findings] == ["MTA017"], "main.cf lacks all"
    bare("sasl", "add", "tuba")
    assert bare.path(COPY).read_bytes() == bare.path("/etc/sasldb2").read_bytes()
    before = snapshot(bare.root)
    assert "was ready; nothing changed" in bare("setup", HUB, "--mta", "postfix").out
    assert snapshot(bare.root) == before


def test_a_configuration_of_an_earlier_run_is_not_changed_behind_the_plan(bare: Admin) -> None:
    installed(bare)
    bare("setup", HUB, "--no-passphrase")
    before = bare.path(SETTINGS).read_bytes()
    assert SETTINGS not in bare("setup", HUB, "--mta", "postfix", "-n").out
    for _ in range(2):
        assert f"  {KEPT}\n" in bare("setup", HUB, "--mta", "postfix").out
        assert bare.path(SETTINGS).read_bytes() == before


def test_a_configuration_that_was_edited_is_the_administrators(bare: Admin) -> None:
    installed(bare)
    bare.configure(CONFIG + "# mine\n")
    assert f"  {KEPT}\n" in bare("setup", HUB, "--mta", "postfix", "--no-passphrase").out
    assert bare.path(SETTINGS).read_text() == CONFIG + "# mine\n"
    cure = next(f["cure"] for f in bare.run("audit", "--json").data["findings"] if f["code"] == "SASL014")
    assert cure.startswith(f"write {KEPT} in table [sasl] of {bare.path(SETTINGS)}, or set ")
    bare.configure(f"{CONFIG}# mine\n[sasl]\n{KEPT}\n")
    assert "SASL014" not in bare.run("audit").out


def test_facts_that_only_the_new_hub_has(bare: Admin) -> None:
    """Who may relay by certificate is known when there is an authority."""
    bare.configure(CONFIG + "[mta]\nrelay_certificates = true\n")
    assert f"would write {bare.path(FRAGMENT)}" in bare("setup", HUB, "--mta", "sendmail", "-n").out
    out = bare("setup", HUB, "--mta", "sendmail", "--no-passphrase").out
    assert "CertIssuer:" in out
    assert "CertIssuer:" in bare.path("/etc/mail/smtpcreds/access").read_text()


def test_the_mail_programs_files_of_others_are_found_first(bare: Admin) -> None:
    bare.write(FRAGMENT, "dnl mine\n", 0o644)
    said = bare.refuses(73, "setup", HUB, "--mta", "sendmail", "--no-passphrase")
    assert "was not written by smtpcreds, and was not changed" in said
    bare("setup", HUB, "--mta", "sendmail", "--no-passphrase", "--force")
    assert "mine" not in bare.path(FRAGMENT).read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--mta", "sendmail-client"], "sendmail-client: unknown mail program for a hub"),
        (["--mta", "qmail"], "qmail: unknown mail program for a hub"),
    ],
)
def test_words_about_a_mail_program_that_do_not_fit(bare: Admin, words: list[str], said: str) -> None:
    assert said in bare.refuses(64, "setup", HUB, *words)


def test_a_secret_that_a_killed_run_left_goes_though_there_is_no_file_to_write(
    bare: Admin, tmp_path: Path
) -> None:
    """The account is stored hashed by now, so its secret can't be read back."""
    words = "setup", HUB, "--no-passphrase"
    (tmp_path / "counted").mkdir()
    counted = Admin(tmp_path / "counted/root").kill_points(*words)
    [point] = [one for one in counted if one.call == "renameat" and "default-auth-info" in one.text]
    assert bare.killed_at(point, *words)
    assert list(bare.path(AUTH_INFO).parent.glob("*.smtpcreds-*"))
    bare("sasl", "passwd", ACCOUNT, "--hashed")
    bare(*words)
    assert not list(bare.root.rglob("*.smtpcreds-*"))


def test_a_run_that_is_refused_takes_away_what_a_killed_one_left(bare: Admin, tmp_path: Path) -> None:
    words = "setup", HUB, "--no-passphrase"
    (tmp_path / "counted").mkdir()
    counted = Admin(tmp_path / "counted/root").kill_points(*words)
    [point] = [one for one in counted if one.call == "renameat" and "default-auth-info" in one.text]
    assert bare.killed_at(point, *words)
    bare.write(AUTH_INFO, "somebody\nelse\nsecret\nrealm\n")
    assert list(bare.root.rglob("*.smtpcreds-*"))
    assert "was not changed" in bare(*words, status=73)
    assert not list(bare.root.rglob("*.smtpcreds-*"))


def test_what_a_run_that_lives_is_writing_stays(bare: Admin) -> None:
    bare("setup", HUB, "--no-passphrase")
    began = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]) & 0xFFFFF
    living = bare.certs / f".dmzmail-key.pem.smtpcreds-000001{began:05x}00000"
    living.touch(0o600)
    bare.write(AUTH_INFO, "somebody\nelse\nsecret\nrealm\n")
    bare("setup", HUB, "--no-passphrase", status=73)
    assert living.exists()


def test_a_hub_in_a_domain_that_is_longer_than_a_name_of_an_authority(tmp_path: Path) -> None:
    """Its own certificate has no CN, and Sendmail could not tell it from another by its subject."""
    hub = Admin(tmp_path / "root")
    domain = f"{'a' * 40}.{'b' * 30}.polkatistas.org"
    hub("setup", f"dmzmail.{domain}", "--no-passphrase")
    assert hub.json("ca", "show")["name"] == f"{'b' * 30}.polkatistas.org Mail CA"
    hub("cert", "verify", f"dmzmail.{domain}")
    said = hub.refuses(65, "mta", "render", "sendmail-hub", "--relay-host", f"dmzmail.{domain}")
    assert "is longer than a CN can be (64), and Sendmail identifies certificates by the CN alone" in said
    assert "--relay-certificates" in said
    hub("mta", "render", "sendmail-hub", "--relay-certificates")
    hub("ca", "rollover")
