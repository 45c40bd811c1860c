"""``ca rollover``: both authorities are trusted until the old one is retired, whatever kills the change."""

from pathlib import Path

import pytest
from admin import CERTS, HUB, STATE, Admin, peer, snapshot

CA = f"{STATE}/ca"
DMZMAIL = f"{CERTS}/dmzmail-cert.pem"


def fingerprint(path: Path) -> str:
    said = peer("openssl", "x509", "-in", path, "-noout", "-fingerprint", "-sha256")
    return said.partition("=")[2].strip().replace(":", "").lower()


def verify(program: Admin, certificate: Path, status: int = 0, purpose: str = "sslserver") -> str:
    """As Sendmail: bundle and CRLs through the hash links of its directory."""
    how = ("-x509_strict", "-purpose", purpose, "-CApath", program.path(CERTS), "-no-CAfile", "-crl_check")
    return program.openssl("verify", *how, certificate, status=status)


def gnutls_accepts(program: Admin, certificate: Path) -> None:
    bundle = program.path(f"{CERTS}/cacert.pem")
    peer("certtool", "--verify", "--load-ca-certificate", bundle, "--infile", certificate)


def agrees(program: Admin) -> bool:
    return program("inventory", "check").out.startswith("inventory and disk agree\n")


def kept(hub: Admin, name: str = "old.pem") -> Path:
    """A copy of the hub's certificate of today, as a client host may hold it."""
    copy = hub.root.parent / name
    copy.write_bytes(hub.path(DMZMAIL).read_bytes())
    return copy


def test_both_authorities_are_trusted_until_the_old_one_is_retired(hub: Admin) -> None:
    old, before = kept(hub), fingerprint(hub.path(f"{CA}/ca-cert.pem"))
    rolled = hub("ca", "rollover", "--json").data
    assert (rolled["old_fingerprint"], rolled["hosts"]) == (before, [HUB])
    assert rolled["fingerprint"] == fingerprint(hub.path(f"{CA}/ca-cert.pem")) != before
    seen = hub("ca", "show", "--json").data
    assert [superseded_ca["fingerprint"] for superseded_ca in seen["superseded"]] == [before]
    assert (seen["name"], seen["permitted_domains"]) == ("polkatistas.org Mail CA G2", ["polkatistas.org"])
    hub("cert", "issue", "attic")
    for certificate in (old, hub.path(f"{CERTS}/attic-cert.pem")):
        verify(hub, certificate)
        verify(hub, certificate, purpose="sslclient")
        gnutls_accepts(hub, certificate)
    assert agrees(hub)

    said = hub.refuses(77, "ca", "rollover", "--retire-old")
    assert f"polkatistas.org Mail CA: still certifies {HUB}" in said
    assert "smtpcreds cert renew --old-authority" in said
    hub("cert", "renew", "dmzmail")
    assert hub("ca", "rollover", "--retire-old", "--json").data["retired"] == ["polkatistas.org Mail CA"]
    verify(hub, hub.path(DMZMAIL))
    assert "unable to get local issuer" in verify(hub, old, status=2)
    assert {path.name for path in hub.path(CERTS).glob("crl*.pem")} == {"crl.pem"}
    assert not [path for path in hub.path(CERTS).iterdir() if path.is_symlink() and not path.exists()]
    assert hub("ca", "show", "--json").data["retired"] == [
        {"name": "polkatistas.org Mail CA", "fingerprint": before}
    ]
    assert agrees(hub)
    assert hub("ca", "rollover", "--retire-old").out == "no authority to retire\n"


def test_no_name_is_used_twice(hub: Admin) -> None:
    """GnuTLS, NSS and Java look a CRL up by the name of its issuer."""
    said = hub.refuses(64, "ca", "rollover", "--name", "polkatistas.org Mail CA")
    assert "--name: polkatistas.org Mail CA is the name of an authority before" in said
    assert "--name 'polkatistas.org Mail CA G2'" in said
    names = []
    for more in ((), (), ("--name", "P" * 64), ()):
        hub("ca", "rollover", "--force", *more)
        names.append(hub.json("ca", "show")["name"])
    assert names == [
        "polkatistas.org Mail CA G2",
        "polkatistas.org Mail CA G3",
        "P" * 64,
        "P" * 61 + " G2",
    ]
    hub("ca", "rollover", "--retire-old", "--force")
    assert "is the name of" in hub.refuses(64, "ca", "rollover", "--name", "polkatistas.org Mail CA")


def test_revocation_works_across_the_change(hub: Admin) -> None:
    old = kept(hub)
    hub("ca", "rollover")
    hub("cert", "renew", "dmzmail")
    revoked = hub("cert", "revoke", "dmzmail", "--reason", "keyCompromise", "--json").data
    assert len(revoked["revoked"]) == 2, "the renewed certificate has the key of the old one"
    assert [Path(crl["copies"][0]).name for crl in revoked["crls"]] == [
        "crl.pem",
        superseded_crl(hub).name,
    ] or [Path(crl["copies"][0]).name for crl in revoked["crls"]] == [superseded_crl(hub).name, "crl.pem"]
    for certificate in (old, hub.path(DMZMAIL)):
        assert "certificate revoked" in verify(hub, certificate, status=2)
    hub("cert", "issue", "dmzmail", "--force")
    verify(hub, hub.path(DMZMAIL))
    hub("ca", "rollover", "--retire-old")
    verify(hub, hub.path(DMZMAIL))
    assert agrees(hub)


def superseded_crl(program: Admin) -> Path:
    return next(program.path(CERTS).glob("crl-*.pem"))


def test_the_old_crl_is_kept_young(hub: Admin) -> None:
    """Sendmail refuses every certificate of a CA whose CRL has expired."""
    old = kept(hub)
    hub("ca", "rollover")
    first = superseded_crl(hub).read_bytes()
    for day, words in (
        (21, ("cert", "issue", "attic")),
        (42, ("cert", "renew", "--due")),
        (63, ("ca", "crl")),
    ):
        later = hub.at(f"{day} days")
        if words[0] == "cert":
            assert later.run("ca", "crl", "--check").status == 1
        later(*words)
        assert later.run("ca", "crl", "--check").status == 0
        verify(later, old)
        assert superseded_crl(hub).read_bytes() != first
        first = superseded_crl(hub).read_bytes()
    assert agrees(hub.at("63 days"))


def test_other_settings_may_come_with_the_new_one(hub: Admin) -> None:
    words = ("--name", "Polka G2", "--organization", "Polka", "--key-type", "p384", "--days", "1000")
    hub("ca", "rollover", *words, "--permit", "example.net", "--permit", "polkatistas.org")
    seen = hub("ca", "show", "--json").data
    assert (seen["subject"], seen["key_type"], seen["days_left"]) == ("CN=Polka G2,O=Polka", "P-384", 999)
    assert seen["permitted_domains"] == ["example.net", "polkatistas.org"]
    hub("cert", "issue", "mx.example.net")
    verify(hub, hub.path(f"{CERTS}/mx.example.net-cert.pem"))


def test_rollovers_in_a_row_keep_each_other(hub: Admin) -> None:
    copies = []
    for number in range(3):
        copies.append(kept(hub, f"{number}.pem"))
        hub("ca", "rollover", "--force")
        hub("cert", "renew", "dmzmail")
    for certificate in (*copies, hub.path(DMZMAIL)):
        verify(hub, certificate)
        gnutls_accepts(hub, certificate)
    assert len(list(hub.path(CERTS).glob("*.r[0-9]"))) == 4
    assert len(hub("ca", "rollover", "--retire-old", "--json").data["retired"]) == 3
    assert len(list(hub.path(CERTS).glob("*.r[0-9]"))) == 1
    verify(hub, hub.path(DMZMAIL))


def test_a_new_issuing_ca_below_the_same_root(smtpcreds: Admin, tmp_path: Path) -> None:
    smtpcreds("ca", "init", "--intermediate", "--no-passphrase")
    smtpcreds("cert", "issue", "dmzmail")
    old, root = kept(smtpcreds), smtpcreds.path(f"{CA}/parents.pem").read_bytes()
    smtpcreds("ca", "export", "--root-key", "--to", tmp_path / "root.pem", "--remove")
    said = smtpcreds.refuses(66, "ca", "rollover")
    assert "--root-key FILE, or --new-root" in said
    smtpcreds("ca", "rollover", "--root-key", tmp_path / "root.pem")
    assert smtpcreds.path(f"{CA}/parents.pem").read_bytes() == root
    assert not smtpcreds.path(f"{CA}/root-key.pem").exists(), "it stays offline"
    smtpcreds("cert", "issue", "attic")
    for certificate in (old, smtpcreds.path(f"{CERTS}/attic-cert.pem")):
        verify(smtpcreds, certificate)
        gnutls_accepts(smtpcreds, certificate)
        (tmp_path / "only-root.pem").write_bytes(root)
        peer(
            "openssl", "verify", "-CAfile", tmp_path / "only-root.pem", "-untrusted", certificate, certificate
        )
    smtpcreds("ca", "rollover", "--force", "--new-root", "--name", "Polka G3")
    assert smtpcreds.path(f"{CA}/root-key.pem").exists()
    verify(smtpcreds, old)
    assert smtpcreds.path(f"{CERTS}/cacert.pem").read_text().count("-----BEGIN") == 5
    assert agrees(smtpcreds)


def test_the_passphrase_goes_on_with_the_new_key(smtpcreds: Admin) -> None:
    smtpcreds.env = {"P": "over the hills"}
    opens = ("--passphrase", "env:P")
    smtpcreds("ca", "init", *opens)
    said = smtpcreds.refuses(77, "ca", "rollover", "--passphrase", "env:W", env={"W": "wrong"})
    assert said.count("\n") == 0
    smtpcreds("ca", "rollover", *opens)
    keys = list(smtpcreds.path(CA).rglob("*-key.pem"))
    assert len(keys) == 2
    for key in keys:
        peer("openssl", "pkey", "-in", key, "-passin", "env:P", "-noout", env={"P": "over the hills"})


def test_the_directories_of_other_hosts_get_the_new_bundle_too(hub: Admin, tmp_path: Path) -> None:
    attic = tmp_path / "attic"
    hub("cert", "issue", "attic", "--to", attic)
    rolled = hub("ca", "rollover", "--json").data
    assert rolled["directories"] == [str(hub.path(CERTS)), str(attic)]
    assert (attic / "cacert.pem").read_bytes() == hub.path(f"{CERTS}/cacert.pem").read_bytes()
    attic.chmod(0o777)
    ran = hub("ca", "rollover", "--force")
    assert any(str(attic) in warning for warning in ran.warnings)
    assert agrees_but_for(hub, str(attic))


def agrees_but_for(program: Admin, place: str) -> bool:
    found = program.run("inventory", "check", "--json").data["findings"]
    return bool(found) and all(finding["subject"].startswith(place) for finding in found)


def test_strangers_in_the_bundle_stay(hub: Admin, tmp_path: Path) -> None:
    stranger = tmp_path / "stranger.pem"
    peer(
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ed25519",
        "-nodes",
        "-subj",
        "/CN=Stranger",
        "-keyout",
        tmp_path / "k",
        "-out",
        stranger,
    )
    bundle = hub.path(f"{CERTS}/cacert.pem")
    bundle.write_bytes(bundle.read_bytes() + stranger.read_bytes())
    hub("ca", "rollover")
    assert stranger.read_bytes().strip() in bundle.read_bytes()
    hub("ca", "rollover", "--retire-old", "--force")
    assert stranger.read_bytes().strip() in bundle.read_bytes()
    verify(hub, stranger, status=2)
    assert bundle.read_text().count("-----BEGIN") == 2


def test_words_that_do_not_fit(hub: Admin, tmp_path: Path) -> None:
    assert "is not needed" in hub.refuses(64, "ca", "rollover", "--root-key", tmp_path / "k")
    assert "takes 1 to" in hub.refuses(64, "ca", "rollover", "--days", "0")
    assert Admin(tmp_path / "none").run("ca", "rollover").status == 66
    named = {(step["action"], step["target"]) for step in hub("ca", "rollover", "-n", "--json").data["plan"]}
    before = {path: fingerprint for path, (*_, fingerprint) in snapshot(hub.root).items()}
    hub("ca", "rollover")
    changed = {path for path, (*_, content) in snapshot(hub.root).items() if before.get(path) != content}
    assert ("replace", str(hub.path(CA))) in named
    kinds = {"write", "link", "make", "replace", "record in"}
    assert changed <= {target.removeprefix(f"{hub.root}/") for action, target in named if action in kinds}


@pytest.mark.parametrize(
    ("call", "stride"), [("fsync", 3), ("renameat", 2), ("mkdirat", 1), ("renameat2", 1), ("unlinkat", 4)]
)
def test_a_kill_leaves_the_old_or_the_new_authority(hub: Admin, call: str, stride: int) -> None:
    whole = hub.root.parent / "whole"
    peer("cp", "-a", hub.root, whole)
    old, before = kept(hub), fingerprint(hub.path(f"{CA}/ca-cert.pem"))
    killed = 0
    while hub.killed(f"{call}:signal=KILL:when={1 + killed * stride}", "ca", "rollover"):
        killed += 1
        changed = fingerprint(hub.path(f"{CA}/ca-cert.pem")) != before
        recorded = len(hub.query("SELECT id FROM authorities")) == 2
        ran = hub("cert", "issue", "attic")
        if changed and not recorded:
            assert any("an interrupted run is completed" in warning for warning in ran.warnings)
        assert len(hub("ca", "show", "--json").data["superseded"]) == changed
        for certificate in (old, hub.path(f"{CERTS}/attic-cert.pem")):
            verify(hub, certificate)
        assert agrees(hub)
        peer("rm", "-r", hub.root)
        peer("cp", "-a", whole, hub.root)
    assert killed


def test_a_kill_between_two_renames_is_settled_where_directories_cannot_be_exchanged(hub: Admin) -> None:
    whole = hub.root.parent / "whole"
    peer("cp", "-a", hub.root, whole)
    old, before = kept(hub), fingerprint(hub.path(f"{CA}/ca-cert.pem"))
    number, seen = 1, set[tuple[bool, bool]]()
    while hub.killed(f"renameat:signal=KILL:when={number}", "ca", "rollover", lacks="renameat2"):
        outcome = was_there, _ = hub.path(CA).exists(), bool(list(hub.path(STATE).glob(".ca.replaced")))
        if outcome not in seen:
            hub("cert", "issue", "attic", "--dry-run")
            assert hub.path(CA).exists() == was_there
            hub("cert", "issue", "attic")
            changed = fingerprint(hub.path(f"{CA}/ca-cert.pem")) != before
            assert changed == (outcome == (True, True))
            assert len(hub("ca", "show", "--json").data["superseded"]) == changed
            for certificate in (old, hub.path(f"{CERTS}/attic-cert.pem")):
                verify(hub, certificate)
            assert agrees(hub)
            assert not list(hub.path(STATE).glob(".*"))
        number, seen = number + 1, {*seen, outcome}
        peer("rm", "-r", hub.root)
        peer("cp", "-a", whole, hub.root)
    assert seen == {(True, False), (False, True), (True, True)}
    assert len(hub("ca", "show", "--json").data["superseded"]) == 1


@pytest.mark.parametrize("call", ["renameat", "unlinkat", "fsync"])
def test_a_killed_retirement_is_completed(hub: Admin, call: str) -> None:
    hub("ca", "rollover")
    hub("cert", "renew", "dmzmail")
    for number in (1, 2, 3):
        hub.killed(f"{call}:signal=KILL:when={number}", "ca", "rollover", "--retire-old")
    hub("cert", "issue", "attic")
    hub("ca", "rollover", "--retire-old")
    assert [row[0] for row in hub.query("SELECT state FROM authorities ORDER BY id")] == [
        "retired",
        "current",
    ]
    verify(hub, hub.path(DMZMAIL))
    assert agrees(hub)


def test_a_rollover_is_ended_by_two_commands_that_are_named_when_they_work(hub: Admin) -> None:
    hub("cert", "issue", "attic", "tuba")
    said = hub("ca", "rollover").out
    assert "smtpcreds cert renew --old-authority    " in said
    assert "--retire-old" not in said
    assert "smtpcreds cert renew --old-authority" in hub("status").out
    refused = hub.refuses(77, "ca", "rollover")
    assert (
        "polkatistas.org Mail CA G2: has replaced polkatistas.org Mail CA, which is not retired yet"
        in refused
    )
    assert (
        "end it first: smtpcreds cert renew --old-authority, then smtpcreds ca rollover --retire-old"
        in refused
    )

    hub("cert", "renew", "tuba")
    done = hub("cert", "renew", "--old-authority")
    assert {line.partition(":")[0] for line in done.out.splitlines() if "relay certificate" in line} == {
        HUB,
        "attic.polkatistas.org",
    }
    assert done.out.splitlines()[-1].endswith("smtpcreds ca rollover --retire-old")
    assert "smtpcreds ca rollover --retire-old" in hub("status").out
    assert hub("ca", "rollover", "--retire-old", "--json").data["retired"] == ["polkatistas.org Mail CA"]
    assert hub("cert", "renew", "--old-authority").out == "nothing is due\n"
    assert hub.refuses(64, "cert", "renew", "--old-authority", "attic")


def test_the_end_of_the_authority_is_told_in_time(smtpcreds: Admin) -> None:
    smtpcreds("ca", "init", "--no-passphrase", "--days", "3000")
    smtpcreds("cert", "issue", "dmzmail")
    early = smtpcreds.at("+1990 days")
    early("cert", "renew", "dmzmail")
    assert early("cert", "renew", "--due").warnings == []

    for day, reason in (
        (2010, "two thirds of its lifetime have passed"),
        (2700, "before a new certificate of 365 days"),
    ):
        late = smtpcreds.at(f"+{day} days")
        late("cert", "renew", "dmzmail")
        for words in (("cert", "renew", "--due"), ("cert", "renew", "--due", "--dry-run")):
            (warning,) = [text for text in late(*words, status=1).warnings if "successor" in text]
            assert reason in warning
            assert warning.endswith("smtpcreds ca rollover")
        assert "smtpcreds ca rollover" in late("status", status=1).out
        assert "WARNING" in late("status", "--format", "nagios", status=1).out
    late("ca", "rollover")
    late("cert", "renew", "--old-authority")
    assert late("cert", "renew", "--due").warnings == []
    assert late("ca", "rollover", "--retire-old")


def test_an_authority_that_has_ended_is_followed_and_its_hosts_are_renewed(hub: Admin) -> None:
    """All have expired long ago; the two commands that are named bring the hub back."""
    late = hub.at("11 years")
    assert f"{HUB}" in late("status", status=1).out
    rolled = late("ca", "rollover").out
    assert f"smtpcreds cert renew --old-authority    {HUB}" in rolled
    assert (
        late("status", "--json", status=1).data["half_way"][0]["next"]
        == "smtpcreds cert renew --old-authority"
    )
    renewed = late("cert", "renew", "--old-authority").out
    assert f"{HUB}: relay certificate" in renewed
    assert "next: smtpcreds ca rollover --retire-old" in renewed
    late("ca", "rollover", "--retire-old")
    assert "nothing is due" in late("status").out
    late("cert", "verify", "dmzmail")


def test_what_the_audit_advises_after_the_end_of_the_authority_helps(hub: Admin) -> None:
    late = hub.at("11 years")
    ended = {"CERT003", "CERT004"}
    found = late.run("audit", "--json").data["findings"]
    assert ended <= {one["code"] for one in found}
    (cure,) = {one["cure"] for one in found if one["code"] in ended}
    for command in cure.split(" && "):
        late(*command.removeprefix("smtpcreds ").split())
    assert not ended & {one["code"] for one in late.run("audit", "--json").data["findings"]}
