"""The units of contrib/systemd: systemd takes them, rates them, and the program knows what they start."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest
from admin import CERTS, CONFIG, SECRET, TOP, Admin, peer
from readme_blocks import readme_lines

from .pulling import fetched
from .writing import SSH_KEY

UNITS = TOP / "contrib/systemd"
SERVICES = sorted(UNITS.glob("*.service"))
EXPOSURE = 3.0
"""Below it, as systemd-analyze security counts from 0 to 10."""


def started(service: Path, *drop_ins: Path) -> list[str]:
    """The words that systemd starts, with the variables that drop-ins fill."""
    known: dict[str, str] = {}
    for file in (service, *drop_ins):
        for line in re.findall(r"^Environment=(.*)$", file.read_text(), re.MULTILINE):
            known |= dict(word.split("=", 1) for word in shlex.split(line))
    words = re.findall(r"^ExecStart=(.*)$", service.read_text(), re.MULTILINE)[0].split()
    assert words[0] == "smtpcreds"
    return [
        part for word in words[1:] for part in (shlex.split(known[word[1:]]) if word[0] == "$" else [word])
    ]


def test_there_are_units() -> None:
    assert [path.name for path in SERVICES] == ["smtpcreds-renew.service", "smtpcreds-status.service"]
    assert all(path.with_suffix(".timer").exists() for path in SERVICES)


def test_systemd_takes_them(tmp_path: Path) -> None:
    """Each with all drop-ins of the examples; the program is one that this system has."""
    for path in (*SERVICES, *UNITS.glob("*.timer")):
        text = path.read_text()
        (tmp_path / path.name).write_text(text.replace("ExecStart=smtpcreds", "ExecStart=/bin/true"))
    drop_ins = tmp_path / "smtpcreds-renew.service.d"
    drop_ins.mkdir()
    for example in (UNITS / "examples").iterdir():
        (drop_ins / example.name).write_text(example.read_text())
    names = [str(path) for path in sorted(tmp_path.iterdir()) if path.is_file()]
    ran = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True, check=False
    )
    said = [line for line in ran.stderr.splitlines() if "smtpcreds" in line]
    assert (ran.returncode, said) == (0, [])


def test_verify_would_find_a_mistake(tmp_path: Path) -> None:
    unit = tmp_path / "smtpcreds-wrong.service"
    unit.write_text("[Service]\nType=oneshot\nExecStart=/bin/true\nProtectSystem=strikt\n")
    ran = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, check=False)
    assert b"ProtectSystem" in ran.stderr or b"protect system value" in ran.stderr  # before systemd 258


def exposure(unit: Path) -> float:
    """Rate a unit with the drop-ins beside it."""
    said = peer("systemd-analyze", "security", "--offline=true", unit)
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", said)
    assert found
    return float(found[1])


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.stem)
def test_systemd_rates_them(tmp_path: Path, service: Path) -> None:
    """As they are, and with all drop-ins of the examples, which may take nothing of the sandbox away."""
    unit, drop_ins = tmp_path / service.name, tmp_path / f"{service.name}.d"
    unit.write_text(service.read_text())
    alone = exposure(unit)
    assert alone < EXPOSURE
    drop_ins.mkdir()
    for example in (UNITS / "examples").iterdir():
        (drop_ins / example.name).write_text(example.read_text())
    assert exposure(unit) == alone
    (drop_ins / "open.conf").write_text("[Service]\nProtectSystem=no\nPrivateTmp=no\n")
    assert exposure(unit) > alone


def test_the_hub_renews_as_the_unit_says(hub: Admin, tmp_path: Path) -> None:
    """With the reload and the passphrase of the examples, whose credential is in systemd's directory."""
    there = tmp_path / "host/etc/systemd/system"
    there.mkdir(parents=True)
    meant = {"sudo ": "", "/etc/systemd/system/": there, " --now": f" --root={tmp_path}/host"}
    for line in readme_lines("test_the_hub_renews_as_the_unit_says", meant):
        subprocess.run(("sh", "-c", line), cwd=TOP, check=True)
    assert (there / "timers.target.wants/smtpcreds-renew.timer").is_symlink()
    examples = UNITS / "examples"
    words = started(SERVICES[0], examples / "reload.conf", examples / "passphrase.conf")
    reload = "systemctl try-reload-or-restart sendmail"
    assert words[-4:] == ["--reload", reload, "--passphrase", "credential:ca-passphrase"]
    credentials = hub.path("/run/credentials")
    hub.write("/run/credentials/ca-passphrase", SECRET.decode())
    words[words.index(reload)] = "true"
    hub("ca", "passphrase", "--new-passphrase", f"file:{credentials}/ca-passphrase")
    hub.path(f"{CERTS}/crl.pem").unlink()
    ran = hub(*words, env={"CREDENTIALS_DIRECTORY": str(credentials)})
    assert ran.status == 0
    assert hub.path(f"{CERTS}/crl.pem").exists()


@pytest.fixture
def pulling(hub: Admin, tmp_path: Path) -> Path:
    """The unit of a client host that fetches its bundles; its certificates lie in a place of their own."""
    hub.configure(f'{CONFIG}[cert]\ndirectory = "/srv/mail/certs"\n')
    hub("cert", "issue", "dmzmail", "--force")
    hub("bundle", "attic", "--mta", "exim", "--authorize", hub.write("key.pub", SSH_KEY, 0o644))
    (tmp_path / "client").mkdir()
    peer("tar", "-xf", "-", "-C", tmp_path / "client", stdin=fetched(hub))
    return tmp_path / "client/etc/systemd/system/smtpcreds-pull.service"


def test_the_unit_of_client_hosts_is_taken_and_rated_likewise(pulling: Path) -> None:
    assert exposure(pulling) < EXPOSURE
    pulling.write_text(pulling.read_text().replace("/etc/smtpcreds/pull.sh", "/bin/true"))
    names = (pulling, pulling.with_suffix(".timer"))
    ran = subprocess.run(("systemd-analyze", "verify", "--man=no", *names), capture_output=True, text=True)
    assert (ran.returncode, [line for line in ran.stderr.splitlines() if "smtpcreds" in line]) == (0, [])


def test_it_may_write_wherever_files_of_the_bundle_are(pulling: Path) -> None:
    """tests/test_live_pull_programs.py runs it where nothing else can be written."""
    settings = dict(line.split("=", 1) for line in pulling.read_text().splitlines() if "=" in line)
    assert (settings["ProtectSystem"], settings["StateDirectory"]) == ("strict", "smtpcreds-pull")
    places = [place.removeprefix("-") for place in settings["ReadWritePaths"].split()]
    top = pulling.parents[3]
    files = [f"/{path.relative_to(top)}" for path in top.rglob("*") if not path.is_dir()]
    assert "/srv/mail/certs/cacert.pem" in files
    assert [file for file in files if not any(file.startswith(f"{place}/") for place in places)] == []


def test_without_drop_ins_nothing_is_added(hub: Admin) -> None:
    assert started(SERVICES[0]) == ["cert", "renew", "--due"]
    assert hub(*started(SERVICES[0])).out == "nothing is due\n"


def test_the_hub_writes_metrics_as_the_unit_says(hub: Admin) -> None:
    words = started(SERVICES[1])
    target = hub.path(words[-1])
    target.parent.mkdir(parents=True)
    assert hub(*words[:-1], target).out == ""
    assert "smtpcreds_due" in target.read_text()
    assert "RuntimeDirectory=smtpcreds\n" in SERVICES[1].read_text()
    assert words[-1] == "/run/smtpcreds/smtpcreds.prom"
