"""What every mail program in the table promises."""

import contextlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from admin import HUB
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from smtpcreds.errors import DamagedFileError, InexpressibleError, UsageError
from smtpcreds.model import Account, Credential
from smtpcreds.mta import dovecot
from smtpcreds.mta.program import Facts, File, Map, Program, Rendered, Role, is_secret, masked, octets
from smtpcreds.mta.programs import PROGRAMS, check_variants, program_named
from smtpcreds.names import PLAINTEXT
from smtpcreds.secret import Secret

from .facts import FACTS, SECRET, facts

PLACES = ("/etc/mail/a b/key.pem", "/etc/mail/it's/key.pem", "/a,b", "/ü", '/"\\')
MISREAD = {"sendmail": ("/etc/mail/dnl/key.pem",), "postfix": ("/etc/$mydomain/key.pem",)}
"""Also refused, by families of programs that would read something else."""
LINE = re.compile(r"line \d+|lines?\b")


def variants(program: Program) -> Iterator[frozenset[str]]:
    yield frozenset()
    yield from (frozenset({name}) for name in program.VARIANTS)


def rendered(program: Program) -> Iterator[Rendered]:
    for chosen in variants(program):
        yield from program.render(replace(FACTS, variants=chosen))


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS)
class TestProgram:
    def test_is_found_by_its_name(self, program: Program) -> None:
        assert program_named(program.NAME) is program
        assert program.TITLE
        assert "\n" not in program.TITLE

    def test_refuses_variants_that_it_does_not_know(self, program: Program) -> None:
        check_variants(program, program.VARIANTS)
        with pytest.raises(UsageError, match=program.NAME):
            check_variants(program, frozenset({"brass-band"}))

    def test_files_are_absolute_and_closed_to_writers(self, program: Program) -> None:
        for item in rendered(program):
            assert item.path.startswith("/etc/")
            assert not item.mode & 0o022

    def test_secrets_are_in_closed_files_and_shown_nowhere(self, program: Program) -> None:
        for item in rendered(program):
            for content in [item.content] if isinstance(item, File) else item.records.values():
                assert not is_secret(content) or (item.mode, item.group != "root") in {
                    (0o600, False),
                    (0o600, True),
                    (0o640, True),
                }
                assert SECRET not in masked(content)
            assert SECRET.decode() not in repr(item)

    def test_damage_is_reported_by_line(self, program: Program) -> None:
        for item in rendered(program):
            if isinstance(item, File):
                with pytest.raises(DamagedFileError, match=LINE):
                    program.parse(item.path, b"\xffnonsense\n")

    def test_commands_name_no_secret_and_includes_name_the_files(self, program: Program) -> None:
        work = program.work(FACTS)
        assert all(include.lines for include in work.includes)
        lines = [line for include in work.includes for line in include.text]
        for text in (*work.commands, *work.usage, *lines):
            assert SECRET.decode() not in text
            assert "\n" not in text

    @settings(suppress_health_check=[HealthCheck.filter_too_much])  # by chance, where much is refused
    @given(data=st.data())
    def test_what_is_written_is_read_back_and_keeps_the_rules(
        self, program: Program, data: st.DataObject
    ) -> None:
        """SPEC rows 11 and 12: what is trusted is offered; PLAIN and LOGIN wait for TLS."""
        given = data.draw(facts(program))
        try:
            files = program.render(given)
        except (InexpressibleError, UsageError):
            reject()
        for item in files:
            if isinstance(item, Map):
                continue
            found = program.parse(item.path, octets(item.content))
            assert not is_secret(item.content) or any(isinstance(value, Secret) for value in found.values())
            if "secret" in found:
                assert given.credential
                assert found["secret"] == given.credential.secret
                assert found["authcid"] == given.credential.login
            if "confAUTH_MECHANISMS" in found:
                offered = str(found["confAUTH_MECHANISMS"]).split()
                assert offered == list(given.mechanisms)
                assert set(str(found.get("TRUST_AUTH_MECH", "")).split()) <= set(offered)
                assert not set(PLAINTEXT) & set(offered) or "p" in str(found["confAUTH_OPTIONS"]).split()
            if "mech_list" in found:
                assert str(found["mech_list"]).split() == list(given.mechanisms)
            if "smtpd_sasl_auth_enable" in found:
                assert found["smtpd_tls_auth_only"] == "yes"

    def test_a_place_is_read_back_as_it_was_given_or_refused(self, program: Program) -> None:
        def values(path: str) -> set[object]:
            files = program.render(replace(FACTS, tls=replace(FACTS.tls, key=path)))
            texts = [item for item in files if isinstance(item, File)]
            found = [program.parse(item.path, octets(item.content)).values() for item in texts]
            return {value for some in found for value in some if isinstance(value, str)}

        if "/plain" not in values("/plain"):
            return
        for path in PLACES:
            with contextlib.suppress(InexpressibleError):
                assert path in values(path)


@pytest.mark.parametrize("name", [name for name in PROGRAMS if PROGRAMS[name].FAMILY in MISREAD])
def test_a_place_that_would_be_misread_is_refused(name: str) -> None:
    for path in (*PLACES, *MISREAD[program_named(name).FAMILY]):
        with pytest.raises(InexpressibleError):
            program_named(name).render(replace(FACTS, tls=replace(FACTS.tls, key=path)))


def assert_exim_waits_for_tls(program: Program, given: Facts, found: Mapping[str, object]) -> None:
    guard = "client_condition" if program.ROLE is Role.CLIENT else "server_advertise_condition"
    for name, mechanism in found.items():
        driver, _, option = name.partition(".")
        if option == "public_name":
            assert mechanism in given.mechanisms
            condition = str(found[f"{driver}.{guard}"])
            assert re.search(r"def:tls_(in|out)_cipher|tls_in_certificate_verified", condition)


@pytest.mark.parametrize("name", ["exim-hub", "exim-client"])
@given(data=st.data())
def test_no_authenticator_of_exim_works_outside_tls(name: str, data: st.DataObject) -> None:
    program = program_named(name)
    given = data.draw(facts(program))
    try:
        files = program.render(given)
    except (InexpressibleError, UsageError):
        reject()
    fragments = [item for item in files if isinstance(item, File) and "auth" in item.path]
    assert fragments
    for item in fragments:
        assert_exim_waits_for_tls(program, given, program.parse(item.path, octets(item.content)))


@given(data=st.data())
def test_dovecot_offers_what_is_wanted_and_its_scheme_serves(data: st.DataObject) -> None:
    program = program_named("dovecot-hub")
    given = data.draw(facts(program))
    try:
        conf = program.render(given)[-1]
    except (InexpressibleError, UsageError):
        reject()
    assert isinstance(conf, File)
    found = program.parse(conf.path, octets(conf.content))
    offered = set(str(found["auth_mechanisms"]).upper().split())
    scheme = dovecot.scheme_of(given.variants)
    assert offered == set(given.mechanisms) & set(dovecot.MECHANISMS[scheme])
    assert found["disable_plaintext_auth"] == "yes"
    assert found["passdb/args"] == dovecot.PATH


def test_dovecot_2_4_is_told_by_its_own_names() -> None:
    program = program_named("dovecot-hub")
    given = replace(FACTS, dovecot=(2, 4))
    conf = program.render(given)[-1]
    assert isinstance(conf, File)
    found = program.parse(conf.path, octets(conf.content))
    assert found["auth_allow_cleartext"] == "no"
    assert found["passdb smtpcreds/passwd_file_path"] == dovecot.PATH
    assert not {"disable_plaintext_auth", "passdb/args"} & set(found)


@pytest.mark.parametrize("secret", [b"#hash", b"two\nlines", b"", b"nul\0", b"x" * 2047])
def test_a_secret_that_can_not_be_written_is_refused_by_account(secret: bytes) -> None:
    client = program_named("sendmail-client")
    credential = Credential(Account("maildroid", HUB), Secret(secret), HUB)
    with pytest.raises(
        InexpressibleError, match=f"maildroid@{HUB}: the secret .*default-auth-info"
    ) as refusal:
        client.render(replace(FACTS, credential=credential))
    assert not secret or secret.decode() not in str(refusal.value)


def test_an_unknown_program_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UsageError) as refusal:
        program_named("qmail")
    assert refusal.value.hint == f"known: {', '.join(PROGRAMS)}"
