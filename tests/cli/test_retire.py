"""``cert retire``: a host leaves, and nothing asks for it any more."""

import pytest
from admin import CERTS, HUB, STATE, Admin, snapshot

ATTIC, SCANNER = "attic.polkatistas.org", f"scanner@{HUB}"
CHECKS = (
    ("status",),
    ("cert", "renew", "--due", "--dry-run"),
    ("inventory", "check"),
    ("audit",),
    ("cert", "list", "--expires-within", "900d"),
    ("sasl", "rotations"),
)


@pytest.fixture
def leaving(hub: Admin) -> Admin:
    """A hub with a host that has everything a host can have, and another one beside it."""
    (hub.directory / "elsewhere").mkdir(0o700)
    hub("cert", "issue", "attic", "mx")
    hub("cert", "renew", "attic", "--new-key")
    hub("cert", "issue", "attic", "--days", "20", "--to", hub.directory / "elsewhere")
    hub("cert", "request", "attic", "--force")
    hub("tlsa", "next", "attic")
    hub("sasl", "add", "scanner")
    hub("bundle", "attic", "--account", "scanner", "-o", hub.directory / "attic.tar", "--new-key")
    hub("bundle", "mx", "-o", hub.directory / "mx.tar")
    return hub


def texts(admin: Admin) -> str:
    return "".join(admin.run(*words) for words in CHECKS)


def test_a_host_is_revoked_and_nothing_of_it_is_left(leaving: Admin) -> None:
    installed = (leaving.certs / "attic-cert.pem").read_bytes()
    done = leaving.json("cert", "retire", "attic", "--with-accounts")
    assert (done["host"], done["reason"], done["accounts"]) == (ATTIC, "cessationOfOperation", [SCANNER])
    assert len(done["revoked"]) == done["crls"][0]["count"] == 4
    shown = leaving.write("attic-cert.pem", installed)
    leaving.openssl("verify", "-CAfile", leaving.certs / "cacert.pem", shown)
    revoked = ("verify", "-crl_check", "-CRLfile", leaving.certs / "crl.pem")
    assert "certificate revoked" in leaving.openssl(
        *revoked, "-CAfile", leaving.certs / "cacert.pem", shown, status=2
    )
    assert not [path for path in leaving.root.rglob("attic*") if path.is_file()]
    assert not list((leaving.directory / "elsewhere").glob("attic*"))
    assert "scanner" not in leaving("sasl", "list").out
    leaving.verify(leaving.certs / "dmzmail-cert.pem")


def test_no_check_asks_for_it_any_more(leaving: Admin) -> None:
    assert ATTIC in texts(leaving)
    leaving("cert", "retire", "attic", "--with-accounts")
    for later in ("", "+19 days", "+60 days", "+300 days", "+400 days", "+800 days"):
        told = texts(leaving.at(later))
        assert "attic" not in told, (later, told)
        assert "scanner" not in told, (later, told)
    for words in (("status",), ("inventory", "check"), ("cert", "renew", "--due", "--dry-run")):
        leaving(*words)


def test_the_dry_run_names_all_of_it_and_changes_nothing(leaving: Admin) -> None:
    before = snapshot(leaving.directory)
    said = leaving("cert", "retire", "attic", "--account", "scanner", "--dry-run").out
    for name in ("attic-key.pem", "attic-cert.pem", "attic-cert.pem.previous", "attic-key.pem.new", SCANNER):
        assert name in said, said
    assert said.count("would revoke") == 4
    assert snapshot(leaving.directory) == before


def test_a_host_comes_back_without_its_past(leaving: Admin) -> None:
    leaving("cert", "retire", "attic", "--account", "scanner")
    leaving("cert", "issue", "attic")
    (row,) = [row for row in leaving.json("cert", "list")["certificates"] if row["host"] == ATTIC]
    assert row["state"] == "issued"
    status = leaving("status").out
    assert "scanner" not in status
    assert "tlsa" not in status
    leaving("inventory", "check")


def test_an_account_of_others_stays_and_it_is_said(hub: Admin) -> None:
    for host in ("attic", "mx"):
        hub("bundle", host, "-o", hub.directory / f"{host}.tar")
    done = hub.json("cert", "retire", "attic", "--with-accounts")
    kept = [{"account": f"maildroid@{HUB}", "hosts": ["mx.polkatistas.org"]}]
    assert (done["accounts"], done["accounts_kept"]) == ([], kept)
    assert "no other host is known to use it" in hub("cert", "retire", "mx").out
    assert "maildroid" in hub("sasl", "list").out


def test_a_named_account_goes_with_its_file(hub: Admin) -> None:
    hub("cert", "issue", "attic")
    assert hub.path(f"{STATE}/clients/maildroid").exists()
    hub("cert", "retire", "attic", "--account", "maildroid")
    assert not hub.path(f"{STATE}/clients/maildroid").exists()
    assert hub.json("sasl", "list")["accounts"] == []


def test_an_account_that_is_half_way_is_refused(hub: Admin) -> None:
    hub("cert", "issue", "attic")
    hub("sasl", "rotate", "maildroid", "--client", "attic")
    said = hub.refuses(65, "cert", "retire", "attic", "--account", "maildroid")
    assert "smtpcreds sasl rotate maildroid --retire" in said


def test_the_hub_itself_goes_only_if_it_is_said(hub: Admin) -> None:
    assert "is this hub itself" in hub.refuses(77, "cert", "retire", "dmzmail")
    hub("cert", "retire", "dmzmail", "--force")
    assert not list(hub.certs.glob("dmzmail*"))


def test_what_is_not_there_is_refused(hub: Admin) -> None:
    assert "is not in the inventory" in hub.refuses(66, "cert", "retire", "attic")
    hub("cert", "issue", "attic")
    assert "no such account" in hub.refuses(67, "cert", "retire", "attic", "--account", "scanner")
    hub("cert", "retire", "attic")
    assert "was retired on" in hub.refuses(65, "cert", "retire", "attic")


def test_a_pair_of_somebody_else_is_left_alone(hub: Admin) -> None:
    hub("cert", "issue", "attic")
    (hub.certs / "attic-cert.pem").write_bytes((hub.certs / "dmzmail-cert.pem").read_bytes())
    said = hub.refuses(73, "cert", "retire", "attic")
    assert f"{hub.path(CERTS)}/attic-cert.pem: is not a certificate of this host" in said


def test_what_it_can_not_end_is_said(hub: Admin) -> None:
    hub("cert", "issue", "attic")
    hub.configure(f'domain = "polkatistas.org"\nhub = "{HUB}"\n[mta]\nrelay_hosts = ["attic"]\n')
    (warning,) = hub("cert", "retire", "attic").warnings
    assert "mta.relay_hosts names attic.polkatistas.org; take it out" in warning


def test_the_same_command_finishes_what_was_killed(hub: Admin) -> None:
    hub("cert", "issue", "attic")
    hub("cert", "renew", "attic", "--new-key")
    hub("sasl", "add", "scanner")
    words = ("cert", "retire", "attic", "--account", "scanner")
    counted = hub.copy(hub.directory / "counted/root").kill_points(*words)
    writes = [
        point for point in counted if point.call in {"rename", "renameat", "unlink", "unlinkat", "pwrite64"}
    ]
    for number, point in enumerate(writes[:: max(1, len(writes) // 12)]):
        killed = hub.copy(hub.directory / f"{number}/root")
        assert killed.killed_at(point, *words), point
        assert killed.run(*words).status in {0, 65}, point
        assert not list(killed.certs.glob("attic*")), point
        assert "scanner" not in killed("sasl", "list").out, point
        assert killed.json("ca", "crl", "--check")["count"] == 2, point
        killed("inventory", "check")
        assert "was retired on" in killed.refuses(65, *words[:3])
