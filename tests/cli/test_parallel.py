"""Many runs at once on one state directory: each gets its turn."""

from pathlib import Path

from admin import HUB, Admin, issued_hub

from smtpcreds.inventory.inventory import open_inventory
from smtpcreds.inventory.rows import State

HOSTS = [f"mail{number}" for number in range(8)]


def at_once(admin: Admin, *commands: tuple[str, ...]) -> None:
    ran = admin.at_once(*commands)
    assert [(each.status, each.err) for each in ran] == [(0, "")] * len(commands)


def test_eight_issues_make_eight_certificates(tmp_path: Path) -> None:
    stage = Admin(tmp_path / "root")
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
    stage = issued_hub(tmp_path / "root")
    at_once(stage, *(("cert", "renew", "dmzmail", *key) for key in ((), ("--new-key",), ())), ("ca", "crl"))
    assert stage.is_pair()
    assert stage.is_pair(suffix=".previous")
    stage.verify(stage.certs / "dmzmail-cert.pem")
    with open_inventory(stage.state / "inventory.sqlite3", read_only=True) as inventory:
        assert [row.state for row in inventory.listing(host=HUB)] == [State.ISSUED] * 4
