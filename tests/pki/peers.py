"""The real verifiers, each as a function from cases to what it says of them: an empty text is "accepted"."""

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError
from pkilint import loader
from pkilint.pkix import certificate, extension, name
from pkilint.validation import ValidationFindingSeverity

from smtpcreds.pki.encoding import encode_certificates, encode_der
from smtpcreds.pki.profiles import Purpose

from .cases import Case

HERE = Path(__file__).parent
Answers = dict[str, str]


def run(*command: str | Path, input: bytes | None = None) -> subprocess.CompletedProcess[bytes]:  # noqa: A002
    """Run a peer; one that is not installed raises FileNotFoundError and so fails the test."""
    return subprocess.run(command, input=input, capture_output=True, timeout=600, check=False)


def write(cases: Sequence[Case], base: Path) -> None:
    """Write a directory for each case, and the manifest: name, host, purpose."""
    for case in cases:
        directory = base / case.name
        directory.mkdir(parents=True)
        (directory / "leaf.pem").write_bytes(encode_certificates([case.leaf]))
        (directory / "intermediates.pem").write_bytes(encode_certificates(case.intermediates))
        (directory / "chain.pem").write_bytes(encode_certificates([case.leaf, *case.intermediates]))
        (directory / "root.pem").write_bytes(encode_certificates([case.root]))
    lines = (f"{case.name}\t{case.host}\t{case.purpose.value}\n" for case in cases)
    (base / "manifest").write_text("".join(lines))


def openssl(cases: Sequence[Case], base: Path) -> Answers:
    def ask(case: Case) -> str:
        directory = base / case.name
        command = ["openssl", "verify", "-x509_strict", "-purpose", f"ssl{case.purpose.value}"]
        if case.purpose is Purpose.SERVER:
            command += ["-verify_hostname", case.host]
        if case.intermediates:
            command += ["-untrusted", str(directory / "intermediates.pem")]
        answer = run(*command, "-CAfile", directory / "root.pem", directory / "leaf.pem")
        return "" if answer.returncode == 0 else answer.stderr.decode()

    return {case.name: ask(case) for case in cases}


def gnutls(cases: Sequence[Case], base: Path) -> Answers:
    usages = {Purpose.SERVER: "1.3.6.1.5.5.7.3.1", Purpose.CLIENT: "1.3.6.1.5.5.7.3.2"}

    def ask(case: Case) -> str:
        directory = base / case.name
        command = ["certtool", "--verify", "--verify-purpose", usages[case.purpose]]
        if case.purpose is Purpose.SERVER:
            command += ["--verify-hostname", case.host]
        files = ("--load-ca-certificate", directory / "root.pem", "--infile", directory / "chain.pem")
        answer = run(*command, *files)
        return "" if answer.returncode == 0 else answer.stdout.decode()

    return {case.name: ask(case) for case in cases}


def pyca(cases: Sequence[Case], base: Path) -> Answers:
    def ask(case: Case) -> str:
        builder = PolicyBuilder().store(Store([case.root]))
        try:
            if case.purpose is Purpose.SERVER:
                builder.build_server_verifier(x509.DNSName(case.host)).verify(
                    case.leaf, list(case.intermediates)
                )
            else:
                builder.build_client_verifier().verify(case.leaf, list(case.intermediates))
        except VerificationError as error:
            return str(error)
        return ""

    return {case.name: ask(case) for case in cases}


def go(cases: Sequence[Case], base: Path) -> Answers:
    program = base / "verify"
    built = run("go", "build", "-o", program, HERE / "verify.go")
    assert built.returncode == 0, built.stderr.decode()
    return _table(run(program, base))


def java(cases: Sequence[Case], base: Path) -> Answers:
    internals = "--add-exports=java.base/sun.security.util=ALL-UNNAMED"
    return _table(run("java", internals, HERE / "Verify.java", base))


def nss(cases: Sequence[Case], base: Path) -> Answers:
    database = base / "nss"
    database.mkdir()
    where = ("-d", f"sql:{database}")
    assert run("certutil", "-N", *where, "--empty-password").returncode == 0
    authorities = dict.fromkeys((case.root for case in cases), "CT,C,C")
    authorities |= {each: ",," for case in cases for each in case.intermediates}
    for number, (authority, trust) in enumerate(authorities.items()):
        _add(where, f"ca{number}", trust, authority)

    def ask(case: Case) -> str:
        _add(where, case.name, ",,", case.leaf)
        usage = {Purpose.SERVER: "V", Purpose.CLIENT: "C"}[case.purpose]
        answer = run("certutil", "-V", *where, "-e", "-u", usage, "-n", case.name)
        return "" if answer.returncode == 0 else (answer.stdout + answer.stderr).decode()

    return {case.name: ask(case) for case in cases}


def botan(cases: Sequence[Case], base: Path) -> Answers:
    def ask(case: Case) -> str:
        directory = base / case.name
        authorities = [directory / "root.pem"] + [directory / "intermediates.pem"] * bool(case.intermediates)
        answer = run("botan", "cert_verify", directory / "leaf.pem", *authorities)
        return (
            "" if b"passes validation checks" in answer.stdout else (answer.stdout + answer.stderr).decode()
        )

    return {case.name: ask(case) for case in cases}


def _add(where: tuple[str, str], nickname: str, trust: str, authority: x509.Certificate) -> None:
    added = run("certutil", "-A", *where, "-n", nickname, "-t", trust, input=encode_der(authority))
    assert added.returncode == 0, added.stderr.decode()


def _table(answer: subprocess.CompletedProcess[bytes]) -> Answers:
    assert answer.returncode == 0, answer.stderr.decode()
    rows = (line.partition("\t") for line in answer.stdout.decode().splitlines())
    return {name: "" if said == "OK" else said for name, _, said in rows}


@dataclass(frozen=True)
class Verifier:
    """A real verifier; ``blind`` to flaws that it has no option to look for, ``without`` some key types.

    One that is not ``dns_only`` can't read constraints on IPv6 addresses, and refuses all below them.
    """

    verify: Callable[[Sequence[Case], Path], Answers]
    blind: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    dns_only: bool = True


VERIFIERS = {
    "openssl": Verifier(openssl),
    "gnutls": Verifier(gnutls),
    "pyca": Verifier(pyca, without=frozenset({"ed25519"})),
    "go": Verifier(go),
    "java": Verifier(java),
    "nss": Verifier(nss, blind=frozenset({"host"}), without=frozenset({"ed25519"})),
    "botan": Verifier(botan, blind=frozenset({"host", "purpose"}), dns_only=False),
}


@cache
def _linter() -> object:
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )


def pkilint(made: x509.Certificate) -> list[str]:
    """What pkilint's RFC 5280 rules find, at the level of a notice and above."""
    root = loader.load_certificate(encode_der(made), "certificate").root
    results = _linter().validate(root)  # type: ignore[attr-defined]
    found = (description for result in results for description in result.finding_descriptions)
    return [str(each) for each in found if each.finding.severity <= ValidationFindingSeverity.NOTICE]
