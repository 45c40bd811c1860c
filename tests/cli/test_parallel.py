"""Many runs at once on one state directory: each gets its turn."""

import subprocess
from pathlib import Path

from smtpcreds.inventory import State, open_inventory

from .stage import HUB, Stage, hub

HOSTS = [f"mail{number}" for number in range(8)]


def at_once(stage: Stage, *commands: tuple[str, ...]) -> None:
    started = [
        subprocess.Popen(stage.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for words in commands
    ]
    said = [process.communicate(timeout=120)[1] for process in started]
    assert [process.returncode for process in started] == [0] * len(commands), said
    assert said == [""] * len(commands)


def test_eight_issues_make_eight_certificates(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "root")
    stage("ca", "init", "--no-passphrase")
    at_once(stage, *(("cert", "issue", f"{host}.polkatistas.org") for host in HOSTS))
    found = [stage.certs / f"{host}.polkatistas.org-cert.pem" for host in HOSTS]
    serials = {stage.field(path, "-serial") for path in found}
    assert len(serials) == 8
    how = ("-CApath", stage.certs, "-no-CAfile", "-crl_check", "-x509_strict")
    stage.openssl("verify", *how, *found)
    with open_inventory(stage.state / "inventory.sqlite3", read_only=True) as inventory:
        assert {row.serial for row in inventory.listing(state=State.ISSUED)} == serials


def test_renewals_of_one_host_beside_new_crls(tmp_path: Path) -> None:
    stage = hub(tmp_path / "root")
    at_once(stage, *(("cert", "renew", "dmzmail", *key) for key in ((), ("--new-key",), ())), ("ca", "crl"))
    assert stage.is_pair()
    assert stage.is_pair(suffix=".previous")
    stage.verify(stage.certs / "dmzmail-cert.pem")
    with open_inventory(stage.state / "inventory.sqlite3", read_only=True) as inventory:
        assert [row.state for row in inventory.listing(host=HUB)] == [State.ISSUED] * 4
