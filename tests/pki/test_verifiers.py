"""Every certificate is accepted by every verifier that mail hosts run, and refused when it should be."""

from pathlib import Path

import pytest

from smtpcreds.pki.chains import ChainError, verify_chain
from smtpcreds.pki.profiles import RELAY, Purpose

from . import peers
from .cases import NOW, Case, all_cases, leaf, matrix, root_of


@pytest.mark.parametrize("name", peers.VERIFIERS)
def test_verifiers_accept_and_refuse(name: str, tmp_path: Path) -> None:
    verifier = peers.VERIFIERS[name]
    every = all_cases(dns_only=verifier.dns_only)
    cases = [case for case in every if case.key_type not in verifier.without]
    peers.write(cases, tmp_path)
    answers = verifier.verify(cases, tmp_path)
    good = {case.name for case in cases if not case.flaw or case.flaw in verifier.blind}
    assert {name: said for name, said in answers.items() if bool(said) == (name in good)} == {}
    assert answers.keys() == {case.name for case in cases}


def our_verdict(case: Case) -> str:
    host = case.host if case.purpose is Purpose.SERVER else None
    try:
        verify_chain(case.leaf, case.intermediates, [case.root], NOW, [case.purpose], host)
    except ChainError as error:
        return error.reason
    return ""


def test_our_own_verdict_is_theirs() -> None:
    answers = {case: our_verdict(case) for case in all_cases()}
    assert {case.name: said for case, said in answers.items() if bool(said) != bool(case.flaw)} == {}


def test_pkilint_finds_nothing() -> None:
    cases = [case for case in all_cases() if not case.name.startswith("wildcard")]
    made = {certificate for case in cases for certificate in (case.leaf, *case.intermediates, case.root)}
    findings = {certificate.subject.rfc4514_string(): peers.pkilint(certificate) for certificate in made}
    assert {name: found for name, found in findings.items() if found} == {}


def test_pkilint_objects_to_wildcards_alone() -> None:
    """RFC 5280 section 4.2.1.6 leaves wildcards to others (RFC 9525 section 6.3); the linter knows none."""
    wild = leaf(root_of("p256"), RELAY, "mx.polkatistas.org", dns_names=("*.polkatistas.org",))
    (finding,) = peers.pkilint(wild)
    assert "invalid_domain_name_syntax" in finding


def test_the_matrix_is_whole() -> None:
    assert len(matrix()) == 5 * 2 * 4
