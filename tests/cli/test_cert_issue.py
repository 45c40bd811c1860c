"""``cert issue``: what the certificate says, where it lies, and what is left alone."""

from datetime import timedelta
from pathlib import Path

import pytest
from admin import CERTS, HUB, INVENTORY, STATE, Admin, peer, snapshot
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID as Use
from cryptography.x509.oid import NameOID

KEY = f"{CERTS}/dmzmail-key.pem"
CERTIFICATE = f"{CERTS}/dmzmail-cert.pem"
BOTH = {Use.SERVER_AUTH, Use.CLIENT_AUTH}


def certificate(program: Admin, path: str = CERTIFICATE) -> x509.Certificate:
    return x509.load_pem_x509_certificate(program.path(path).read_bytes())


def names(found: x509.Certificate) -> list[str]:
    values = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(general.value) for general in values]


def uses(found: x509.Certificate) -> set[x509.ObjectIdentifier]:
    return set(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def common_name(found: x509.Certificate) -> str:
    return str(found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def test_the_three_fixed_words_do_it(authority: Admin) -> None:
    ran = authority("cert", "issue", "dmzmail")
    assert ran.out.startswith(f"{HUB}: relay certificate, P-256, valid to 20")
    assert ran.err == ""
    assert {
        path.name: path.lstat().st_mode & 0o7777 for path in authority.path(CERTS).iterdir() if path.is_file()
    } == (
        dict.fromkeys([p.name for p in authority.path(CERTS).iterdir() if p.is_symlink()], 0o777)
        | dict.fromkeys(
            ["all-crls.pem", "cacert.pem", "crl.pem", "dmzmail-cert.pem", "dmzmail-key.pem"], 0o600
        )
    )
    assert authority.mode(CERTS) == 0o700
    found = certificate(authority)
    assert (common_name(found), names(found), uses(found)) == (HUB, [HUB], BOTH)
    assert found.not_valid_after_utc - found.not_valid_before_utc == timedelta(days=365, minutes=5)
    assert authority.query("SELECT host, profile, names, directory, state FROM certificates") == [
        (HUB, "relay", HUB, "etc/mail/certs/dmzmail", "issued")
    ]
    events = authority.query("SELECT what, subject, detail FROM events ORDER BY id DESC")
    assert events[0][:2] == ("cert issue", HUB)
    assert int(events[0][2].removeprefix("serial "), 16) == found.serial_number


@pytest.mark.parametrize("purpose", ["server", "client"])
def test_peers_accept_the_chain(hub: Admin, purpose: str) -> None:
    bundle, leaf = hub.path(f"{CERTS}/cacert.pem"), hub.path(CERTIFICATE)
    strict = ("openssl", "verify", "-x509_strict", "-purpose", f"ssl{purpose}", "-verify_hostname", HUB)
    assert peer(*strict, "-CAfile", bundle, leaf) == f"{leaf}: OK\n"
    assert peer(*strict, "-CApath", hub.path(CERTS), leaf) == f"{leaf}: OK\n", (
        "the hash link leads to the bundle"
    )
    assert peer(*strict, "-CApath", hub.path(CERTS), "-crl_check", leaf) == f"{leaf}: OK\n", (
        "and that to the CRL"
    )
    usage = {"server": "1.3.6.1.5.5.7.3.1", "client": "1.3.6.1.5.5.7.3.2"}[purpose]
    verify = ("certtool", "--verify", "--verify-hostname", HUB, "--verify-purpose", usage)
    assert "Chain verification output: Verified" in peer(
        *verify, "--load-ca-certificate", bundle, "--infile", leaf
    )


def test_key_and_certificate_belong_together(hub: Admin) -> None:
    public = peer("openssl", "pkey", "-in", hub.path(KEY), "-pubout")
    assert public == peer("openssl", "x509", "-in", hub.path(CERTIFICATE), "-noout", "-pubkey")


@pytest.mark.parametrize(
    ("flags", "label", "expected"),
    [
        (["--server"], "server certificate", {Use.SERVER_AUTH}),
        (["--client"], "client certificate", {Use.CLIENT_AUTH}),
        (["--client", "--server"], "relay certificate", BOTH),
    ],
)
def test_profiles(
    authority: Admin, flags: list[str], label: str, expected: set[x509.ObjectIdentifier]
) -> None:
    assert label in authority("cert", "issue", "dmzmail", *flags).out
    assert uses(certificate(authority)) == expected


def test_addresses_have_to_be_asked_for(authority: Admin) -> None:
    said = authority.refuses(65, "cert", "issue", "dmzmail", "--san", "192.0.2.25")
    assert "192.0.2.25 is in what the CA must not certify (0.0.0.0/0)" in said
    authority(*said.rpartition("smtpcreds ")[2].split())
    authority("cert", "issue", "dmzmail", "--san", "192.0.2.25")
    assert names(certificate(authority)) == [HUB, "192.0.2.25"]
    authority("ca", "rollover", "--retire-old", "--force")
    authority("ca", "rollover")
    authority("cert", "renew", "dmzmail")
    assert names(certificate(authority)) == [HUB, "192.0.2.25"]


def test_more_names_and_addresses(authority: Admin) -> None:
    authority("ca", "rollover", "--addresses")
    more = ["mail", "*.polkatistas.org", "192.0.2.25", "[2001:db8::25]", "dmzmail"]
    ran = authority(
        "cert", "issue", "dmzmail", "--json", *(word for name in more for word in ("--san", name))
    )
    expected = [HUB, "mail.polkatistas.org", "*.polkatistas.org", "192.0.2.25", "2001:db8::25"]
    assert ran.data["certificates"][0]["names"] == expected
    assert names(certificate(authority)) == expected


@pytest.mark.parametrize(
    ("typed", "host"),
    [
        ("bücher", "xn--bcher-kva.polkatistas.org"),
        ("BÜCHER.Polkatistas.ORG.", "xn--bcher-kva.polkatistas.org"),
        ("xn--bcher-kva", "xn--bcher-kva.polkatistas.org"),
        ("DMZmail.", HUB),
    ],
)
def test_names_become_a_labels_in_lower_case(authority: Admin, typed: str, host: str) -> None:
    ran = authority("cert", "issue", typed)
    assert ran.out.startswith(f"{host}: ")
    short = host.partition(".")[0]
    assert common_name(certificate(authority, f"{CERTS}/{short}-cert.pem")) == host


def test_a_name_outside_the_domain_keeps_all_of_it_in_the_file_name(bare: Admin) -> None:
    bare("ca", "init", "--no-passphrase", "--no-name-constraints")
    bare("cert", "issue", "mail.example.net")
    assert bare.path(f"{CERTS}/mail.example.net-cert.pem").is_file()


@pytest.mark.parametrize(
    ("mail_name", "host"), [("polkatistas.org\n", HUB), ("dmzmail.example.net\n", "dmzmail.example.net")]
)
def test_a_short_name_gets_the_domain_of_etc_mailname(bare: Admin, mail_name: str, host: str) -> None:
    bare.write("/etc/hostname", "dmzmail\n", 0o644)
    bare.write("/etc/mailname", mail_name, 0o644)
    bare("ca", "init", "--no-passphrase")
    ran = bare("cert", "issue", "dmzmail")
    assert (ran.err, common_name(certificate(bare))) == ("", host)


def test_where_there_is_no_domain_it_stands_alone_with_a_warning(bare: Admin) -> None:
    bare.write("/etc/hostname", "dmzmail\n", 0o644)
    bare("ca", "init", "--no-passphrase")
    ran = bare("cert", "issue", "dmzmail")
    settings = bare.path("/etc/smtpcreds/smtpcreds.toml")
    assert ran.warnings == [
        f"dmzmail: has no domain, but mail servers check full names; set domain in {settings}"
    ]
    assert names(certificate(bare)) == ["dmzmail"]


def test_a_certificate_never_outlives_its_authority(smtpcreds: Admin) -> None:
    smtpcreds("ca", "init", "--no-passphrase", "--days", "100")
    rows = smtpcreds("cert", "issue", "dmzmail", "mx", "--days", "1000", "--json").data["certificates"]
    end = certificate(smtpcreds, f"{CERTS}/cacert.pem").not_valid_after_utc
    assert certificate(smtpcreds).not_valid_after_utc == end
    assert [row["shortened"] for row in rows] == [True, True]
    assert (
        smtpcreds("cert", "issue", "attic", "--days", "9", "--json").data["certificates"][0]["shortened"]
        is False
    )
    assert (
        f"valid to {end:%Y-%m-%d} (the end of the CA)" in smtpcreds("cert", "issue", "attic", "--force").out
    )


def test_a_valid_certificate_is_left_alone(hub: Admin) -> None:
    said = hub.refuses(73, "cert", "issue", "dmzmail")
    assert f"{HUB}: has a certificate until " in said
    assert "which was not changed" in said
    assert "--force to replace it" in said


def test_force_replaces_it_and_both_stay_in_the_inventory(hub: Admin) -> None:
    before = certificate(hub)
    hub("cert", "issue", "dmzmail", "--force")
    after = certificate(hub)
    assert after.public_key() != before.public_key(), "a new key, too"
    rows = hub.query("SELECT serial, state FROM certificates ORDER BY id")
    assert [(int(serial, 16), state) for serial, state in rows] == [
        (before.serial_number, "issued"),
        (after.serial_number, "issued"),
    ]


def test_an_expired_certificate_is_replaced_without_force(hub: Admin) -> None:
    before = certificate(hub).serial_number
    later = hub.at("+400 days")
    later("cert", "issue", "dmzmail")
    assert certificate(hub).serial_number != before


def test_an_expired_authority_issues_nothing(authority: Admin) -> None:
    later = authority.at("+4000 days")
    assert "polkatistas.org Mail CA: this CA expired on 20" in later.run("cert", "issue", "dmzmail").problem
    assert not authority.path(CERTIFICATE).exists()


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (CERTIFICATE, "is a key without its certificate; perhaps it waits for the answer of another CA"),
        (KEY, "is a certificate without its key"),
    ],
)
def test_half_a_pair_is_explained(hub: Admin, gone: str, said: str) -> None:
    hub.path(gone).unlink()
    assert said in hub.refuses(73, "cert", "issue", "dmzmail")
    hub("cert", "issue", "dmzmail", "--force")
    assert {path.name for path in hub.path(CERTS).glob("dmzmail-*")} == {
        "dmzmail-key.pem",
        "dmzmail-cert.pem",
    }


def test_a_pair_that_does_not_belong_together_is_explained(hub: Admin) -> None:
    peer("openssl", "genpkey", "-algorithm", "ed25519", "-out", hub.path(KEY))
    hub.path(KEY).chmod(0o600)
    assert "is not the key of" in hub.refuses(73, "cert", "issue", "dmzmail")


@pytest.mark.parametrize("mode", [0o755, 0o700, 0o711])
def test_a_directory_of_the_users_own_keeps_its_mode(authority: Admin, mode: int) -> None:
    home = authority.root.parent / "home"
    home.mkdir(mode=mode)
    authority("cert", "issue", "dmzmail", "--to", home)
    assert home.stat().st_mode & 0o777 == mode
    assert (home / "dmzmail-key.pem").stat().st_mode & 0o777 == 0o600
    assert not authority.path(CERTS).exists()


def test_a_directory_that_is_made_is_private(authority: Admin) -> None:
    authority("cert", "issue", "dmzmail", "--to", "fresh/certs")
    assert (authority.root.parent / "fresh/certs").stat().st_mode & 0o777 == 0o700, (
        "relative to here, not the root"
    )


def test_the_mail_servers_directory_is_tightened(authority: Admin) -> None:
    authority.path(CERTS).mkdir(parents=True)
    authority.path(CERTS).chmod(0o755)
    authority("cert", "issue", "dmzmail")
    assert authority.mode(CERTS) == 0o700


def test_the_bundle_of_another_ca_is_kept_behind_ours(authority: Admin, tmp_path: Path) -> None:
    elsewhere = Admin(tmp_path / "elsewhere")
    elsewhere("ca", "init", "--name", "Example CA", "--no-passphrase")
    other = elsewhere.path(f"{STATE}/ca/ca-cert.pem").read_bytes()
    bundle = authority.write(f"{CERTS}/cacert.pem", other)
    authority.path(CERTS).chmod(0o700)
    authority("cert", "issue", "dmzmail")
    assert bundle.read_bytes() == authority.path(f"{STATE}/ca/ca-cert.pem").read_bytes() + other


def test_a_bundle_that_cannot_be_read_is_not_lost(authority: Admin) -> None:
    bundle = authority.write(f"{CERTS}/cacert.pem", "notes")
    authority.path(CERTS).chmod(0o700)
    assert f"smtpcreds: {bundle}: holds no certificate" in authority.refuses(65, "cert", "issue", "dmzmail")


def test_each_of_several_hosts_is_carried_out_or_not(authority: Admin) -> None:
    ran = authority.run("cert", "issue", "--json", "mx1", "mx2", "mx1", "mx.example.net")
    assert ran.status == 64, "of the first that failed"
    assert [row["host"] for row in ran.data["certificates"]] == ["mx1.polkatistas.org", "mx2.polkatistas.org"]
    assert [row["host"] for row in ran.data["failed"]] == ["mx1.polkatistas.org", "mx.example.net"]
    assert '"why": "is named twice"' in ran.err.splitlines()[0]
    assert {path.name for path in authority.path(CERTS).glob("*-cert.pem")} == {
        "mx1-cert.pem",
        "mx2-cert.pem",
    }


def test_a_list_of_hosts(authority: Admin) -> None:
    authority("ca", "rollover", "--addresses")
    path = authority.write(
        "hosts.csv", "host,names,profile,days\n# comment\nmx1,mail 192.0.2.1,client,30\n\nmx2\n"
    )
    ran = authority("cert", "issue", "--from", path, "--json")
    shown = [(row["host"], row["profile"], row["names"]) for row in ran.data["certificates"]]
    assert shown == [
        ("mx1.polkatistas.org", "client", ["mx1.polkatistas.org", "mail.polkatistas.org", "192.0.2.1"]),
        ("mx2.polkatistas.org", "relay", ["mx2.polkatistas.org"]),
    ]


def test_a_dry_run_changes_nothing(authority: Admin) -> None:
    before = snapshot(authority.root)
    ran = authority("-n", "cert", "issue", "dmzmail")
    what = f"{HUB}: relay certificate, new P-256 key, 365 days"
    rows = "certificates: 1 added, 2 changed; events: 1 added"
    beside = [line.split()[1] for line in ran.out.splitlines()[:-3]]
    assert beside == ["make", "make", "write", "link", "write", "write", "link"], "with /etc/mail above"
    assert ran.out.splitlines()[-3:] == [
        f"would write {authority.path(KEY)}  0600",
        f"would write {authority.path(CERTIFICATE)}  0600  ({what})",
        f"would record in {authority.path(INVENTORY)}  ({rows})",
    ]
    assert snapshot(authority.root) == before


def test_the_inventory_is_sound(hub: Admin) -> None:
    assert hub.query("PRAGMA integrity_check") == [("ok",)]
