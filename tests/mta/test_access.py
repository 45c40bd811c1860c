"""Rules of the access map."""

import pytest

from smtpcreds.errors import DamagedFileError, InexpressibleError, UsageError
from smtpcreds.mta.access import FENCE, TAGS, Rule, parse, parse_rule, relaying, render

GOOD = {
    "TLS_Clt:attic.example.org VERIFY": Rule("TLS_Clt", "attic.example.org", "VERIFY"),
    "tls_srv:192.0.2.1\tPERM+ENCR:128": Rule("TLS_Srv", "192.0.2.1", "PERM+ENCR:128"),
    "TLS_Srv:a.b  VERIFY:112+CN:x.y++CITag:Lab": Rule("TLS_Srv", "a.b", "VERIFY:112+CN:x.y++CITag:Lab"),
    "TLS_Clt: TEMP+VERIFY": Rule("TLS_Clt", "", "TEMP+VERIFY"),
    "TLS_Rcpt:joe@example.org VERIFY+CI:/C=US/CN=Lab+20CA": Rule(
        "TLS_Rcpt", "joe@example.org", "VERIFY+CI:/C=US/CN=Lab+20CA"
    ),
    "Srv_Features:192.0.2 V a": Rule("Srv_Features", "192.0.2", "V a"),
    "Try_TLS:IPv6:2001:db8::1 NO": Rule("Try_TLS", "IPv6:2001:db8::1", "NO"),
    "CertIssuer:/C=US/CN=Lab+20CA SUBJECT": Rule("CertIssuer", "/C=US/CN=Lab+20CA", "SUBJECT"),
}
BAD = (
    "TLS_Clt:attic.example.org",
    "TLS_Clt:attic.example.org VERFY",
    "TLS_Clt:a b VERIFY",
    "TLS_Clt:a VERIFY\nConnect:evil RELAY",
    "TLS_Clt:ä VERIFY",
    "CertIssuer:/CN=Lab CA RELAY",
    "CertIssuer:Lab RELAY",
    "CertIssuer:/CN=x OK",
    f"CertSubject:/CN={'x' * 200} RELAY",
    "Srv_Features:a Vs",
    "Try_TLS:a YES",
)


@pytest.mark.parametrize("text", GOOD)
def test_rules_are_read(text: str) -> None:
    rule = parse_rule(text)
    assert rule == GOOD[text]
    assert parse(render([rule]), "access") == {rule.key: rule.value}


@pytest.mark.parametrize("tag", TAGS)
def test_the_example_of_each_tag_is_good(tag: str) -> None:
    assert parse_rule(TAGS[tag].example).tag == tag


@pytest.mark.parametrize("text", BAD)
def test_what_sendmail_would_not_understand_is_refused(text: str) -> None:
    with pytest.raises(InexpressibleError):
        parse_rule(text)


@pytest.mark.parametrize("text", ["Connect:192.0.2 RELAY", "192.0.2 RELAY", "", "TLS_Clt VERIFY"])
def test_other_tags_are_refused_with_the_known_ones(text: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_rule(text)
    assert "CertIssuer" in str(refusal.value.hint)


def test_relaying_is_for_all_of_a_ca_or_for_some() -> None:
    assert [rule.line for rule in relaying(["/CN=A"])] == ["CertIssuer:/CN=A\tRELAY"]
    assert [rule.line for rule in relaying(["/CN=A"], ["/CN=b"])] == [
        "CertIssuer:/CN=A\tSUBJECT",
        "CertSubject:/CN=b\tRELAY",
    ]
    with pytest.raises(InexpressibleError, match="205 characters"):
        relaying(["/CN=" + "x" * 201])


def test_rules_stand_in_a_fence_that_makemap_skips() -> None:
    lines = render([parse_rule("Try_TLS:a NO")]).decode().splitlines()
    assert (lines[0], lines[-1]) == FENCE
    assert all(line.startswith("#") for line in FENCE)


def test_a_line_without_value_is_damage() -> None:
    with pytest.raises(DamagedFileError, match="line 2 "):
        parse(b"a OK\nb\n", "access")
