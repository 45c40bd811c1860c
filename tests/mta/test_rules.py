"""What settings come to, taken together; what each does on the wire is seen in the live tests."""

import pytest

from smtpcreds.mta import exim_acls, exim_conditions, exim_rules, mechanisms, postfix_rules
from smtpcreds.mta.exim_acls import Client
from smtpcreds.mta.main_cf import MainCf, parse_master
from smtpcreds.mta.sendmail_daemon import parse, without

RELAY = "smtpd_relay_restrictions"
LOGGED_IN = ("permit_sasl_authenticated",)


@pytest.mark.parametrize(
    ("value", "refuses"),
    [
        ("permit_mynetworks, permit_sasl_authenticated, reject", ""),
        ("permit_mynetworks, reject, permit_sasl_authenticated", "reject"),
        ("reject_unauth_destination permit_sasl_authenticated", "reject_unauth_destination"),
        ("warn_if_reject reject, permit_sasl_authenticated", ""),
        ("check_client_access static:reject, permit_sasl_authenticated", "reject"),
        ("check_client_access hash:/x, check_policy_service { inet:a:1, timeout=1s }, permit", ""),
        ("ours, permit_sasl_authenticated", "reject"),
        ("reject_rbl_client reject, permit_sasl_authenticated", ""),
    ],
)
def test_a_list_of_restrictions_is_followed_in_its_order(value: str, refuses: str) -> None:
    conf = MainCf({RELAY: value, "smtpd_restriction_classes": "ours", "ours": "permit_mynetworks reject"})
    assert postfix_rules.refusal(conf, RELAY, LOGGED_IN) == refuses


@pytest.mark.parametrize(
    ("value", "left"),
    [
        ("", {"TLSv1.2", "TLSv1.3"}),
        (">=TLSv1.3", {"TLSv1.3"}),
        ("!SSLv2, !SSLv3, !TLSv1.3", {"TLSv1.2"}),
        ("TLSv1, TLSv1.1", set()),
        ("<=TLSv1.1", set()),
        ("!TLSv1.2:!TLSv1.3", set()),
    ],
)
def test_versions_of_tls(value: str, left: set[str]) -> None:
    assert postfix_rules.versions(value) == left


def test_names_of_plugins_filter_everything_out_but_what_is_a_mechanism_too() -> None:
    words = ("digestmd5", "ntlm", "crammd5", "plain", "login")
    assert mechanisms.left(("CRAM-MD5", "DIGEST-MD5", "PLAIN"), words) == ("PLAIN",)
    assert mechanisms.left(("CRAM-MD5", "PLAIN"), words, ("noplaintext",)) == ()
    assert mechanisms.misnamed(words) == {"digestmd5": "DIGEST-MD5", "crammd5": "CRAM-MD5"}
    assert mechanisms.left(("PLAIN",), ("!external", "static:rest")) == ("PLAIN",)


def test_fingerprints_by_another_digest_and_without_colons() -> None:
    sha256, plain = ":".join(["ab"] * 32), "ab" * 32
    assert postfix_rules.misfits((sha256,), "sha256") == {}
    assert postfix_rules.misfits((sha256, plain), "md5") == {sha256: "sha256", plain: ""}
    assert postfix_rules.digest(MainCf({}), "smtpd_tls_fingerprint_digest") == "md5"
    assert postfix_rules.digest(MainCf({"compatibility_level": "3.6"}), "x") == "sha256"


def test_options_of_a_service_in_all_forms() -> None:
    text = "smtp inet n - n - - smtpd\n  -o a=b,c -oe=f -v\n  -o { g = h, i }\n"
    assert parse_master(text, "master.cf", MainCf({}))[0].options == {"a": "b,c", "e": "f", "g": "h, i"}


def test_a_modifier_goes_and_the_others_stay() -> None:
    assert parse("Name=MTA, Port=smtp, M=EA").modifiers == "EA"
    assert without("Name=MTA, Port=smtp, M=EA", "A") == "Name=MTA, Port=smtp, M=E"
    assert without("Port=smtp, Modifiers=A, Name=MTA", "A") == "Port=smtp, Name=MTA"


EXIM = """\
USE_ACL = acl_rcpt
.ifdef NEVER
acl_smtp_rcpt = nothing
.elifdef USE_ACL
acl_smtp_rcpt = USE_ACL
.else
acl_smtp_rcpt = nothing
.endif
begin acl
acl_rcpt:
  accept hosts = :
  {first}
  accept authenticated = *
         control = submission
  require message = no
          domains = +local_domains
  accept
"""


REFUSING = [
    "deny condition = ${if def:authenticated_id}",
    "deny condition = ${if !eq{$authenticated_id}{}}",
    "deny condition = ${if match_ip{$sender_host_address}{192.0.2.0/24}}",
    "deny condition = ${if !eq{$interface_port}{587}}",
    "deny condition = ${if eq{${received_port}}{25}{yes}{no}}",
    "require condition = ${if !def:tls_in_cipher}",
    "require authenticated = plain : login",
    "deny hosts = 192.0.2.9 : attic.example.org",
    "deny condition = ${lookup{$sender_host_address}lsearch{/nosuch}{yes}{no}}",
    "deny domains = lsearch;/nosuch",
    "deny hosts = net-iplsearch;/nosuch",
    "require verify = header_syntax",
    "warn verify = header_syntax",
]
PASSED = [
    "deny condition = ${if def:sender_host_name}",
    "deny condition = ${if eq{$authenticated_id}{polka}}",
    "deny condition = ${if match_ip{$sender_host_address}{192.0.3.0/24}}",
    "require authenticated = cr*",
    "deny hosts = other.example.org",
    "deny condition = ${if exists{/nosuch}{${lookup{x}lsearch{/nosuch}{yes}{no}}}{no}}",
    "warn condition = ${lookup{x}lsearch{/nosuch}{yes}{no}}",
    "deny domains = lsearch;/etc/passwd",
]


@pytest.mark.parametrize(
    ("first", "refuses"),
    [
        ("warn control = dkim_disable_verify", ""),
        ("deny domains = ! +local_domains", "deny domains = ! +local_domains"),
        ("deny domains = +local_domains", ""),
        ("deny dnslists = a.example", ""),
        ("deny !authenticated = *", ""),
        ("deny hosts = *", "deny hosts = *"),
        ("require verify = certificate", "require verify = certificate"),
        ("drop", "drop"),
        *((line, line) for line in REFUSING),
        *((line, "") for line in PASSED),
    ],
)
def test_an_access_list_of_exim_is_followed_in_its_order(first: str, refuses: str) -> None:
    conf = exim_rules.parse(EXIM.format(first=first))
    assert conf.main == {"acl_smtp_rcpt": "acl_rcpt"}
    client = Client(
        is_authenticated=True,
        option="acl_smtp_rcpt",
        authenticators=("cram",),
        missing=frozenset({"/nosuch"}),
        address="192.0.2.7",
        name="attic.example.org",
        port="25",
    )
    assert exim_acls.refusal(conf.acls["acl_rcpt"], client) == refuses
    assert exim_acls.refusal(conf.acls["acl_rcpt"], Client()) != ""


@pytest.mark.parametrize(
    ("condition", "answer"),
    [
        ("yes", True),
        ("0", False),
        ("2", True),
        ("nonsense", None),
        ("${if eq{a}{a}}", True),
        ("${if !eq{a}{a}}", False),
        ("${if eq {a} {b} {yes} {no}}", False),
        ("${if eqi{a}{A}{no}{yes}}", False),
        ("${if and{{eq{a}{a}}{bool{true}}}}", True),
        ("${if or{{eq{a}{b}}{>{2}{1}}}{0}{1}}", False),
        ("${if eq{$sender_address}{}}", None),
        ("${if and{{eq{a}{b}}{eq{$domain}{b}}}}", False),
        ("${if def:sender_host_name}", None),
        ("${if match{a}{a}}", None),
        ("${if eq{a}{a}} ${if eq{a}{b}}", None),
    ],
)
def test_a_condition_of_exim_that_comes_to_one_answer(condition: str, answer: bool | None) -> None:
    assert exim_conditions.constant(condition) is answer
