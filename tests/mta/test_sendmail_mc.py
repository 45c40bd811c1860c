"""Fragments go through the real m4 and the real macros of sendmail, and come out as what was meant."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from admin import HUB
from lab import SENDMAIL, debs

from smtpcreds.errors import InexpressibleError
from smtpcreds.mta import sendmail, sendmail_client, sendmail_hub
from smtpcreds.mta.program import File, Program, octets
from smtpcreds.mta.sasl_conf import offer

from .facts import FACTS as ANY

FACTS = replace(ANY, mechanisms=offer())

HEAD = (
    "include(`m4/cf.m4')dnl\ninclude(`debian/autoconf.m4')dnl\nOSTYPE(`debian')dnl\nDOMAIN(`debian-mta')dnl\n"
)
TAIL = "MAILER(`local')dnl\nMAILER(`smtp')dnl\n"
ACCESS = "FEATURE(`access_db', , `skip')dnl\n"


@pytest.fixture(scope="module")
def macros() -> Path:
    return debs.unpacked(*SENDMAIL.packages) / "usr/share/sendmail/cf"


def m4(macros: Path, text: str) -> str:
    command = ("m4", f"-D_CF_DIR_={macros}/", f"-I{macros}", "-")
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout


def words(macros: Path) -> Iterable[str]:
    """All names that are macros once a sendmail.mc was read."""
    command = ("m4", f"-D_CF_DIR_={macros}/", f"-I{macros}", "-")
    text = f"{HEAD}{ACCESS}FEATURE(`use_cw_file')dnl\n{TAIL}dumpdef\n"
    dump = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stderr
    return re.findall(r"^([A-Za-z_]\w*):", dump, re.MULTILINE)


def test_no_word_that_m4_replaces_gets_through(macros: Path) -> None:
    known = [*words(macros), "unix", "dnl", "index", "len", "include", "define", "eval"]
    assert len(known) > 250
    values = {}
    for number, word in enumerate(known):
        try:
            line = sendmail.render("", {f"X{number}": f"/etc/{word}/x.{word}"}).decode().splitlines()[1]
        except InexpressibleError:
            continue
        values[f"/etc/{word}/x.{word}"] = f"{line}\n[X{number}]"
    assert {"/etc/index/x.index", "/etc/include/x.include"} <= values.keys()
    expanded = m4(macros, f"include(`m4/cf.m4')dnl\ndivert(0)dnl\n{chr(10).join(values.values())}\n")
    assert re.findall(r"^\[(.*)\]$", expanded, re.MULTILINE) == list(values)


def fragment(program: Program) -> str:
    """Return the lines for sendmail.mc."""
    found = next(item for item in program.render(FACTS) if item.path.endswith(".m4"))
    assert isinstance(found, File)
    return octets(found.content).decode()


@pytest.mark.parametrize("program", [sendmail_hub, sendmail_client], ids=lambda p: p.NAME)
def test_the_macros_make_of_the_fragment_what_check_looks_for(macros: Path, program: Program) -> None:
    text = fragment(program)
    faults = program.work(FACTS).compiled[0].faults
    assert list(faults(m4(macros, HEAD + ACCESS + text + TAIL))) == []

    without_access = list(faults(m4(macros, HEAD + text + TAIL)))
    assert without_access == ["has no map access; add FEATURE(`access_db') to sendmail.mc"]
    overridden = HEAD + ACCESS + text + "define(`confCACERT', `/etc/other.pem')dnl\n" + TAIL
    assert list(faults(m4(macros, overridden))) == ["has no O CACertFile=/etc/mail/certs/cacert.pem"]
    bare = list(faults(m4(macros, HEAD + ACCESS + TAIL)))
    assert "has no O AuthMechanisms=SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5" in bare


def test_a_trusted_mechanism_that_is_not_offered_is_found(macros: Path) -> None:
    text = fragment(sendmail_hub) + "TRUST_AUTH_MECH(`PLAIN CRAM-MD5')dnl\n"
    faults = sendmail_hub.work(FACTS).compiled[0].faults
    found = list(faults(m4(macros, HEAD + ACCESS + text + TAIL)))
    assert found == ["trusts mechanisms that are not offered: PLAIN"]


def test_the_ruleset_that_disables_default_auth_info_gets_another_name(macros: Path) -> None:
    stock = m4(macros, HEAD + ACCESS + TAIL).splitlines()
    cured = m4(macros, HEAD + ACCESS + fragment(sendmail_client) + TAIL).splitlines()
    assert "Sauthinfo" in stock
    assert "Sauthinfo" not in cured
    assert f"DS[{HUB}]" in cured


@pytest.mark.parametrize(("realm", "line"), [(HUB, 0), ("polkatistas.org", 1)])
def test_a_realm_is_named_only_where_it_is_not_the_hubs_own_name(macros: Path, realm: str, line: int) -> None:
    facts = replace(FACTS, host=HUB, realm=realm)
    fragments = [
        f for f in sendmail_hub.render(facts) if f.path == sendmail_hub.FRAGMENT and isinstance(f, File)
    ]
    text = octets(fragments[0].content).decode()
    assert m4(macros, HEAD + ACCESS + text + TAIL).splitlines().count(f"O AuthRealm={realm}") == line


ISSUERS = ("/CN=polkatistas.org+20Mail+20CA", "/O=Lab/CN=include+20G2")


def by_issuer(*issuers: str) -> str:
    facts = replace(FACTS, mechanisms=offer(external=True), issuers=issuers)
    made = next(item for item in sendmail_hub.render(facts) if item.path == sendmail_hub.FRAGMENT)
    assert isinstance(made, File)
    return octets(made.content).decode()


def test_external_is_bound_to_our_issuers(macros: Path) -> None:
    """The rules fill the ruleset that proto.m4 leaves empty, and what follows goes where it did."""
    text = by_issuer(*ISSUERS)
    assert sendmail.parse(text.encode(), "hub.m4")[sendmail.BY_ISSUER].split() == list(ISSUERS)
    made = m4(macros, HEAD + ACCESS + text + "define(`confTO_IDENT', `7s')dnl\n" + TAIL)
    rules = made.rpartition("SLocal_Relay_Auth\n")[2].splitlines()[:4]
    assert [rule.split("\t") for rule in rules] == [
        ["REXTERNAL", "", "$: <$&{cert_issuer}>"],
        *(["R<" + issuer + ">", "", "$@ OK"] for issuer in ISSUERS),
        ["R<$*>", "", "$@ NO"],
    ]
    assert "O Timeout.ident=7s" in made
    facts = replace(FACTS, mechanisms=offer(external=True), issuers=ISSUERS)
    faults = sendmail_hub.work(facts).compiled[0].faults
    assert list(faults(made)) == []
    (fault,) = faults(m4(macros, HEAD + ACCESS + by_issuer(ISSUERS[0]) + TAIL))
    assert fault.startswith("lacks in Local_Relay_Auth the rule")


@pytest.mark.parametrize("issuer", ["/CN=$j", "/CN=a*b", "/CN=a'b", "/CN=a;b"])
def test_an_issuer_that_a_rule_can_not_match_is_refused(issuer: str) -> None:
    with pytest.raises(InexpressibleError, match="can't match"):
        by_issuer(issuer)


def test_certificates_of_a_replaced_key_are_kept_out(macros: Path) -> None:
    """Our rules fill the ruleset before the administrator's own, and leave the recipient as it is."""
    facts = replace(FACTS, replaced=("ab" * 32, "0f" * 32))
    made = next(item for item in sendmail_hub.render(facts) if item.path == sendmail_hub.FRAGMENT)
    assert isinstance(made, File)
    text = octets(made.content).decode()
    known = sendmail.parse(text.encode(), "hub.m4")
    assert known[sendmail.REPLACED].split() == [":".join(["0F"] * 32), ":".join(["AB"] * 32)]
    cf = m4(macros, HEAD + ACCESS + text + TAIL)
    assert "O CertFingerprintAlgorithm=sha256" in cf.splitlines()
    faults = sendmail_hub.work(facts).compiled[0].faults
    assert list(faults(cf)) == []
    (fault, *_) = faults(m4(macros, HEAD + ACCESS + fragment(sendmail_hub) + TAIL))
    assert fault == "has no O CertFingerprintAlgorithm=sha256"
