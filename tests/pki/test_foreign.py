"""Ledgers and directories of other CAs: easy-rsa, CA.pl and mkcert run here; the rest is as documented."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509

from smtpcreds.errors import AmbiguousError, DamagedFileError
from smtpcreds.pki.crl import read_crl
from smtpcreds.pki.foreign import Found, Row, Status, read_counter, read_index, recognise, revocations
from smtpcreds.pki.revocation import Reason, Revoked

from .x509_scene import NOW, run

EASY_RSA = "/usr/share/easy-rsa"
CA_PL = ("perl", "/usr/lib/ssl/misc/CA.pl")
EC = "-newkey ec -pkeyopt ec_paramgen_curve:P-256"


def names_below(place: Path) -> list[str]:
    return [str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()]


def certificate(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def facts(place: Path, names: tuple[str, ...]) -> set[tuple[int, datetime]]:
    return {(c.serial_number, c.not_valid_after_utc) for c in (certificate(place / name) for name in names)}


@pytest.fixture(scope="module")
def easy_rsa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("easy-rsa")
    env = {"EASYRSA_BATCH": "1", "EASYRSA_PKI": str(place / "pki"), "EASYRSA_ALGO": "ec"}
    env |= {"EASYRSA_CURVE": "prime256v1"}

    def easyrsa(*words: str, **more: str) -> None:
        run(f"{EASY_RSA}/easyrsa", *words, cwd=Path(EASY_RSA), env=env | more)

    easyrsa("init-pki")
    easyrsa("build-ca", "nopass", EASYRSA_REQ_CN="Polkatistas CA")
    for kind, name in {"server": "dmzmail.polkatistas.org", "client": "maildroid"}.items():
        easyrsa(f"build-{kind}-full", name, "nopass")
    easyrsa("build-client-full", "gone", "nopass")
    easyrsa("revoke", "gone", "keyCompromise")
    easyrsa("gen-crl")
    return place


def test_an_easy_rsa_directory_is_recognised(easy_rsa: Path) -> None:
    inner = recognise(names_below(easy_rsa / "pki"), "pki")
    outer = recognise(names_below(easy_rsa), "/etc/easy-rsa")
    assert inner is not None
    assert outer is not None
    assert (inner.peer, inner.certificate, inner.key, inner.ledger) == (
        "easy-rsa",
        "ca.crt",
        "private/ca.key",
        "index.txt",
    )
    assert inner.crl == "crl.pem"
    assert outer.issued == tuple(f"pki/{name}" for name in inner.issued)
    of_hosts = {"private/dmzmail.polkatistas.org.key", "private/maildroid.key"}
    assert of_hosts <= set(inner.keys) <= {*of_hosts, "private/gone.key"}  # which easy-rsa 3.2 leaves there


def test_every_certificate_of_easy_rsas_ledger_is_among_the_issued_files(easy_rsa: Path) -> None:
    found = recognise(names_below(easy_rsa), "/etc/easy-rsa")
    assert found is not None
    assert found.ledger is not None
    rows = read_index((easy_rsa / found.ledger).read_bytes(), found.ledger)
    assert {(row.serial, row.expires) for row in rows} == facts(easy_rsa, found.issued)
    assert [row.common_name for row in rows] == ["dmzmail.polkatistas.org", "maildroid", "gone"]


def test_easy_rsas_ledger_and_its_crl_say_the_same(easy_rsa: Path) -> None:
    rows = read_index((easy_rsa / "pki/index.txt").read_bytes(), "index.txt")
    issuer = certificate(easy_rsa / "pki/ca.crt")
    assert [row.status for row in rows] == [Status.VALID, Status.VALID, Status.REVOKED]
    crl = read_crl((easy_rsa / "pki/crl.pem").read_bytes(), "crl.pem", issuer)
    assert list(crl.entries()) == list(revocations(rows))
    assert next(revocations(rows)).reason is Reason.KEY_COMPROMISE


@pytest.fixture(scope="module")
def demo_ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("CA.pl")
    subject = "/C=ES/ST=Polka/O=Polkatistas"
    run(*CA_PL, "-newca", "-extra-req", f"{EC} -nodes -subj {subject}/CN=CA", cwd=place, stdin="\n")
    for name in ("dmzmail", "held", "stolen", "Ñandú"):
        run(*CA_PL, "-newreq-nodes", "-extra-req", f"{EC} -utf8 -subj {subject}/CN={name}", cwd=place)
        run(*CA_PL, "-sign", cwd=place, stdin="y\ny\n")
        os.rename(place / "newcert.pem", place / f"{name}.pem")
    run(*CA_PL, "-revoke", "dmzmail.pem", "CACompromise", cwd=place)
    run("openssl", "ca", "-revoke", "held.pem", "-crl_hold", "holdInstructionReject", cwd=place)
    run("openssl", "ca", "-revoke", "stolen.pem", "-crl_compromise", "20240102030405Z", cwd=place)
    run(*CA_PL, "-crl", cwd=place)
    return place


def test_a_demo_ca_is_recognised_from_above_and_inside(demo_ca: Path) -> None:
    inner = recognise(names_below(demo_ca / "demoCA"), "demoCA")
    outer = recognise(names_below(demo_ca), ".")
    assert inner is not None
    assert outer is not None
    assert (outer.peer, outer.certificate) == ("OpenSSL CA.pl", "demoCA/cacert.pem")
    assert inner.key == "private/cakey.pem"
    assert (inner.ledger, inner.crl, inner.crl_counter) == ("index.txt", "crl/crl.pem", "crlnumber")
    assert len(inner.issued) == 5


def test_the_demo_cas_ledger_names_what_was_issued(demo_ca: Path) -> None:
    rows = read_index((demo_ca / "demoCA/index.txt").read_bytes(), "index.txt")
    found = recognise(names_below(demo_ca), ".")
    assert found is not None
    assert {(row.serial, row.expires) for row in rows} == facts(demo_ca, found.issued)
    assert [row.common_name for row in rows] == ["CA", "dmzmail", "held", "stolen", "Ñandú"]
    assert {row.file for row in rows} == {None}


def test_all_forms_of_revocation_are_understood(demo_ca: Path) -> None:
    rows = read_index((demo_ca / "demoCA/index.txt").read_bytes(), "index.txt")
    revoked = list(revocations(rows))
    expected = [Reason.CA_COMPROMISE, Reason.CERTIFICATE_HOLD, Reason.KEY_COMPROMISE]
    assert [r.reason for r in revoked] == expected
    assert all(NOW <= r.at <= datetime.now(UTC) for r in revoked)
    issuer = certificate(demo_ca / "demoCA/cacert.pem")
    crl = read_crl((demo_ca / "demoCA/crl/crl.pem").read_bytes(), "crl.pem", issuer)
    assert list(crl.entries()) == revoked
    assert crl.number == 1
    assert read_counter((demo_ca / "demoCA/crlnumber").read_bytes(), "crlnumber") == 2


@pytest.fixture
def with_index(demo_ca: Path, tmp_path: Path) -> Callable[[bytes], Path]:
    """A copy of the demo CA whose ledger was changed by hand."""

    def changed(content: bytes) -> Path:
        shutil.copytree(demo_ca, tmp_path / "copy")
        (tmp_path / "copy/demoCA/index.txt").write_bytes(content)
        return tmp_path / "copy"

    return changed


def test_rows_that_openssl_marked_as_expired_are_read(with_index: Callable[[bytes], Path]) -> None:
    place = with_index(b"V\t200102030405Z\t\t0A\tunknown\t/CN=old\n")
    run("openssl", "ca", "-updatedb", cwd=place)
    assert read_index((place / "demoCA/index.txt").read_bytes(), "index.txt") == (
        Row(Status.EXPIRED, datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC), None, 10, None, "/CN=old"),
    )


def test_a_tab_in_a_name_is_kept(with_index: Callable[[bytes], Path]) -> None:
    place = with_index(b"V\t200102030405Z\t\t0A\tunknown\t/CN=a\\\tb\\c\n")
    run("openssl", "ca", "-updatedb", cwd=place)
    data = (place / "demoCA/index.txt").read_bytes()
    assert b"a\\\tb\\c" in data
    assert read_index(data, "index.txt")[0].common_name == "a\tb\\c"


LINE = "V\t491231235959Z\t\t0A\tunknown\t/C=ES/CN=dmzmail"
GOOD = Row(Status.VALID, datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), None, 10, None, "/C=ES/CN=dmzmail")
AT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "row"),
    [
        (LINE, GOOD),
        (LINE + "\r", GOOD),
        (LINE.replace("491231", "501231"), replace(GOOD, expires=GOOD.expires.replace(year=1950))),
        (LINE.replace("491231", "20501231"), replace(GOOD, expires=GOOD.expires.replace(year=2050))),
        (LINE.replace("unknown", "newcerts/0A.pem"), replace(GOOD, file="newcerts/0A.pem")),
        (
            LINE.replace("V", "R", 1).replace("\t\t", "\t240102030405Z\t"),
            replace(GOOD, status=Status.REVOKED, revoked=Revoked(10, AT)),
        ),
        (
            LINE.replace("V", "R", 1).replace("\t\t", "\t240102030405Z,superseded\t"),
            replace(GOOD, status=Status.REVOKED, revoked=Revoked(10, AT, Reason.SUPERSEDED)),
        ),
    ],
    ids=["plain", "CR LF", "1950", "2050", "file", "revoked", "reason"],
)
def test_lines(line: str, row: Row) -> None:
    assert read_index(f"# comment\n\n{line}\n".encode(), "index.txt") == (row,)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("V", "1 fields instead of 6"),
        (LINE + "\tmore", "7 fields"),
        (LINE.replace("V", "X", 1), "status 'X'"),
        (LINE.replace("V", "", 1), "status ''"),
        (LINE.replace("V", "VR", 1), "status 'VR'"),
        (LINE.replace("V", "R", 1), "contradict"),
        (LINE.replace("\t\t", "\t240102030405Z\t"), "contradict"),
        (LINE.replace("Z", ""), "broken time"),
        (LINE.replace("491231", "491331"), "impossible time"),
        (LINE.replace("0A", "0G"), "not hexadecimal"),
        (LINE.replace("0A", ""), "not hexadecimal"),
        (LINE.replace("V", "R", 1).replace("\t\t", "\t240102030405Z,stolen\t"), "unknown revocation reason"),
    ],
)
def test_broken_lines_are_named_by_number(line: str, words: str) -> None:
    with pytest.raises(DamagedFileError, match=words) as caught:
        read_index(f"{LINE.replace('0A', '01')}\n{line}\n".encode(), "index.txt")
    assert str(caught.value).startswith("index.txt:2: ")


def test_a_serial_number_there_twice_is_an_error_as_in_openssl(with_index: Callable[[bytes], Path]) -> None:
    data = f"{LINE}\n{LINE.replace('dmzmail', 'other')}\n".encode()
    with pytest.raises(DamagedFileError, match="serial A is there twice: /C=ES/CN=dmzmail and /"):
        read_index(data, "index.txt")
    with pytest.raises(AssertionError, match="Error creating serial number index"):
        run("openssl", "ca", "-updatedb", cwd=with_index(data))


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        ("/C=ES/CN=dmzmail", "dmzmail"),
        ("/CN=first/CN=last", "last"),
        ("/CN=a/b c/OU=x", "a/b c"),
        (r"/CN=\xC3\x91and\xC3\xBA", "Ñandú"),
        ("/C=ES/O=x", None),
        ("", None),
    ],
)
def test_common_names_in_one_line_subjects(subject: str, name: str | None) -> None:
    assert replace(GOOD, subject=subject).common_name == name


@pytest.mark.parametrize(("data", "number"), [(b"0A\n", 10), (b"01", 1), (b"7fff\r\n", 0x7FFF)])
def test_counters(data: bytes, number: int) -> None:
    assert read_counter(data, "serial") == number


@pytest.mark.parametrize("data", [b"", b"0x1", b"1 2", b"\xff", b"-1", b"1_0"])
def test_broken_counters(data: bytes) -> None:
    with pytest.raises(DamagedFileError, match="not hexadecimal"):
        read_counter(data, "serial")


def test_mkcerts_directory_is_recognised(tmp_path: Path) -> None:
    run("mkcert", "dmzmail.polkatistas.org", cwd=tmp_path, env={"CAROOT": str(tmp_path / "root")})
    found = recognise(names_below(tmp_path / "root"), "root")
    assert found == Found("mkcert", "rootCA.pem", "rootCA-key.pem", (), (), (), None, None, None)


STEP = ["certs/root_ca.crt", "certs/intermediate_ca.crt"]
STEP += ["secrets/root_ca_key", "secrets/intermediate_ca_key"]
HIDDEN_STEP = [f".step/{name}" for name in STEP]
PLAIN = "key and certificate"


@pytest.mark.parametrize(
    ("names", "peer", "certificate", "key", "parents", "issued"),
    [
        ([*STEP, "config/ca.json"], "step", STEP[1], STEP[3], (STEP[0],), ()),
        (HIDDEN_STEP, "step", HIDDEN_STEP[1], HIDDEN_STEP[3], (HIDDEN_STEP[0],), ()),
        (["root_ca.crt", "root_ca_key"], "step", "root_ca.crt", "root_ca_key", (), ()),
        (
            ["root_ca.crt", "root_ca_key", "intermediate_ca.crt", "intermediate_ca_key"],
            "step",
            "intermediate_ca.crt",
            "intermediate_ca_key",
            ("root_ca.crt",),
            (),
        ),
        (
            ["out/Polka_CA.crt", "out/Polka_CA.key", "out/Polka_CA.crl", "out/dmz.crt", "out/dmz.key"],
            "certstrap",
            "out/Polka_CA.crt",
            "out/Polka_CA.key",
            (),
            ("out/dmz.crt",),
        ),
        (
            ["minica.pem", "minica-key.pem", "dmz.org/cert.pem", "dmz.org/key.pem"],
            "minica",
            "minica.pem",
            "minica-key.pem",
            (),
            ("dmz.org/cert.pem",),
        ),
        (["ca.crt", "index.txt", "serial"], "easy-rsa", "ca.crt", None, (), ()),
        (["ca.crt", "ca.key", "dmz.crt", "dmz.key"], PLAIN, "ca.crt", "ca.key", (), ()),
        (
            ["ca.pem", "ca-key.pem", "dmz.pem", "dmz-key.pem"],
            PLAIN,
            "ca.pem",
            "ca-key.pem",
            (),
            (),
        ),
        (["cacert.pem", "cakey.pem"], PLAIN, "cacert.pem", "cakey.pem", (), ()),
        (["ca-cert.pem", "ca-key.pem"], PLAIN, "ca-cert.pem", "ca-key.pem", (), ()),
        (["cert.pem", "key.pem"], PLAIN, "cert.pem", "key.pem", (), ()),
        (["mine.crt", "mine.key", "README"], PLAIN, "mine.crt", "mine.key", (), ()),
        (
            ["polka-ca.pem", "polka-ca-key.pem"],
            PLAIN,
            "polka-ca.pem",
            "polka-ca-key.pem",
            (),
            (),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_layouts(
    names: list[str],
    peer: str,
    certificate: str,
    key: str | None,
    parents: tuple[str, ...],
    issued: tuple[str, ...],
) -> None:
    found = recognise(names, "/etc/pki")
    assert found is not None
    assert (found.peer, found.certificate, found.key, found.parents) == (peer, certificate, key, parents)
    assert found.issued == issued


@pytest.mark.parametrize("names", [[], ["README"], ["ca.crt"], ["a.key"], ["sub/ca.crt", "sub/ca.key"]])
def test_what_is_no_ca_is_not_recognised(names: list[str]) -> None:
    assert recognise(names, "/etc/pki") is None


@pytest.mark.parametrize(
    "names", [["a.crt", "a.key", "b.crt", "b.key"], ["A.crt", "A.key", "A.crl", "B.crt", "B.key", "B.crl"]]
)
def test_two_candidates_are_listed(names: list[str]) -> None:
    with pytest.raises(AmbiguousError, match=rf"{names[0]}, {names[len(names) // 2]}"):
        recognise(names, "/etc/pki")
