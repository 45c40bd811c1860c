"""What the certificates hold, and what is refused before the CA key signs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from smtpcreds.errors import DataError, LintError, NameRefusedError, UsageError
from smtpcreds.pki.describe import describe
from smtpcreds.pki.issue import SERIAL_BITS, make_root, new_serial, sign
from smtpcreds.pki.keys import digest_for, matches
from smtpcreds.pki.names import permitted_domains
from smtpcreds.pki.profiles import CLIENT, HOST_PROFILES, INTERMEDIATE, RELAY, ROOT, SERVER, parse_profile
from smtpcreds.pki.values import BACKDATE, Issuer, Request, Validity, validity

from .cases import DOMAIN, NOW, YEAR, calm, intermediate_of, key_of, leaf, root_of

CA = root_of("p256")
WITH_ADDRESSES = root_of("p256", dns_only=False)
KEY = key_of("p256", "leaf").public_key()
LIFE = validity(NOW, YEAR, CA)


def issue(host: str = f"mx.{DOMAIN}", *, issuer: Issuer = CA, **more: object) -> x509.Certificate:
    return sign(Request(host, KEY, **more), RELAY, issuer, new_serial(), LIFE)  # type: ignore[arg-type]


label = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?", fullmatch=True).filter(lambda t: t[2:4] != "--")


@calm
@given(st.lists(label, min_size=1, max_size=5))
def test_the_name_is_in_the_san_and_in_the_cn_if_it_fits(labels: list[str]) -> None:
    host = ".".join((*labels, DOMAIN))
    made = describe(issue(host))
    assert made.dns_names == (host,)
    assert made.subject == (f"CN={host}" if len(host) <= 64 else "")


@pytest.mark.parametrize(("length", "critical"), [(64, False), (65, True)])
def test_the_64th_octet_is_the_last_of_a_common_name(length: int, critical: bool) -> None:
    made = issue(f"{'a' * 40}.{'b' * (length - 42 - len(DOMAIN))}.{DOMAIN}")
    assert made.extensions.get_extension_for_class(x509.SubjectAlternativeName).critical is critical
    assert len(made.subject) == (0 if critical else 1)


def test_further_names_follow_the_host_once_each() -> None:
    both = (ip_address("192.0.2.1"), ip_address("2001:db8::1"))
    names = (f"mx2.{DOMAIN}", f"mx.{DOMAIN}", f"mx2.{DOMAIN}")
    made = describe(issue(dns_names=names, addresses=both, issuer=WITH_ADDRESSES))
    assert made.dns_names == (f"mx.{DOMAIN}", f"mx2.{DOMAIN}")
    assert made.addresses == ("192.0.2.1", "2001:db8::1")


@pytest.mark.parametrize("profile", HOST_PROFILES.values(), ids=lambda profile: profile.name)
def test_roles_are_those_of_the_profile(profile: object) -> None:
    made = describe(leaf(CA, profile, f"mx.{DOMAIN}"))  # type: ignore[arg-type]
    assert made.roles == tuple(purpose.value for purpose in profile.purposes)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("profile", "key_type", "encipherment"),
    [(SERVER, "rsa2048", True), (RELAY, "rsa2048", True), (CLIENT, "rsa2048", False), (RELAY, "p256", False)],
)
def test_only_rsa_servers_encipher_keys(profile: object, key_type: str, encipherment: bool) -> None:
    made = leaf(CA, profile, f"mx.{DOMAIN}", key_type=key_type)  # type: ignore[arg-type]
    usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
    assert (usage.digital_signature, usage.key_encipherment) == (True, encipherment)


def test_profiles_have_names_and_labels() -> None:
    assert parse_profile("Relay") is RELAY
    assert RELAY.label == "relay certificate"
    with pytest.raises(UsageError) as caught:
        parse_profile("intermediate")
    assert caught.value.hint == "known: relay, server, client"


def test_the_validity_starts_five_minutes_back_and_lasts_as_asked() -> None:
    made = issue()
    assert made.not_valid_before_utc == NOW - BACKDATE == NOW - timedelta(minutes=5)
    assert made.not_valid_after_utc == NOW + YEAR


def test_other_zones_and_fractions_are_whole_seconds_of_utc() -> None:
    local = datetime(2030, 1, 1, 2, 0, 0, 999_999, timezone(timedelta(hours=2)))
    assert validity(local, YEAR).not_before == datetime(2029, 12, 31, 23, 55, tzinfo=UTC)


@calm
@given(st.integers(1, 40 * 365))
def test_no_certificate_outlives_its_ca(days: int) -> None:
    found = validity(NOW, timedelta(days=days), CA)
    assert found.not_after <= CA.certificate.not_valid_after_utc
    assert found.shortened is (NOW + timedelta(days=days) > CA.certificate.not_valid_after_utc)


def test_to_end_with_the_ca_is_not_to_be_shortened() -> None:
    assert not validity(NOW, CA.certificate.not_valid_after_utc - NOW, CA).shortened


def test_nor_the_root_above_its_ca() -> None:
    short = validity(NOW - YEAR, YEAR * 2)
    key = key_of("p256", "root")
    root = make_root("Short", "", key, new_serial(), short, path_length=1)
    lower = Issuer(intermediate_of("p256").certificate, key_of("p256", "intermediate"), (root,))
    found = validity(NOW, YEAR * 3, lower)
    assert found == Validity(NOW - BACKDATE, root.not_valid_after_utc, shortened=True)


def test_it_begins_with_a_ca_that_is_just_made() -> None:
    key = key_of("p256", "root")
    fresh = Issuer(make_root("New", "", key, new_serial(), validity(NOW, YEAR)), key)
    early = validity(NOW - timedelta(minutes=4), YEAR, fresh)
    assert early.not_before == fresh.not_before


@pytest.mark.parametrize(
    ("when", "reason"), [(NOW + YEAR * 20, "expired"), (NOW - YEAR * 20, "not valid before")]
)
def test_a_ca_out_of_time_signs_nothing(when: datetime, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        validity(when, YEAR, CA)


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(days=-1), timedelta(days=365 * 9000)])
def test_impossible_lifetimes_are_refused(lifetime: timedelta) -> None:
    with pytest.raises(UsageError):
        validity(NOW, lifetime)


def test_a_root_may_live_past_2050() -> None:
    """RFC 5280 section 4.1.2.5: UTCTime ends in 2049; GeneralizedTime follows."""
    key = key_of("p256", "root")
    made = make_root("Old", "", key, new_serial(), validity(NOW, YEAR * 60))
    assert made.not_valid_after_utc == NOW + YEAR * 60


def test_serial_numbers_have_159_random_bits() -> None:
    found = [new_serial() for _ in range(2000)]
    assert len(set(found)) == len(found)
    assert min(found) > 0
    assert max(found) < 1 << SERIAL_BITS
    union, common = 0, (1 << SERIAL_BITS) - 1
    for serial in found:
        union, common = union | serial, common & serial
    assert union == (1 << SERIAL_BITS) - 1, "every bit is set in some"
    assert common == 0, "and clear in some"


@pytest.mark.parametrize("serial", [0, -1, 1 << 159])
def test_serial_numbers_that_der_or_rfc_5280_forbid_are_refused(serial: int) -> None:
    with pytest.raises((ValueError, LintError)):
        sign(Request(f"mx.{DOMAIN}", KEY), RELAY, CA, serial, LIFE)


def test_what_is_signed_is_what_was_linted(monkeypatch: pytest.MonkeyPatch) -> None:
    drafts: list[x509.Certificate] = []
    monkeypatch.setattr("smtpcreds.pki.issue.verify_draft", lambda draft: drafts.append(draft.certificate))
    made = issue()
    assert drafts[0].tbs_certificate_bytes == made.tbs_certificate_bytes
    made.verify_directly_issued_by(CA.certificate)
    with pytest.raises(InvalidSignature):
        drafts[0].verify_directly_issued_by(CA.certificate)


def _cases() -> list[tuple[Request, object, Issuer, Validity]]:
    pointed = replace(CA, crl_url=f"http://pki.{DOMAIN}/crl.der")
    late = Validity(datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), datetime(2050, 1, 1, tzinfo=UTC))
    free = root_of("p384", dns_only=False)
    both = (ip_address("192.0.2.1"), ip_address("2001:db8::1"))
    many = Request(f"{'a' * 60}.{DOMAIN}", KEY, tuple(f"mx{n}.{DOMAIN}" for n in range(99)), both)
    below = Request("Issuing", KEY, organization="Lab & Sons", permitted_domains=(f"sub.{DOMAIN}",))
    return [
        (Request(f"mx.{DOMAIN}", KEY), RELAY, pointed, LIFE),
        (Request(f"mx.{DOMAIN}", key_of("rsa2048", "leaf").public_key()), SERVER, root_of("ed25519"), LIFE),
        (many, CLIENT, free, LIFE),
        (below, INTERMEDIATE, CA, LIFE),
        (Request(f"mx.{DOMAIN}", KEY), RELAY, CA, late),
    ]


@pytest.mark.parametrize("number", range(5))
def test_the_octets_are_those_that_the_library_would_write(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("smtpcreds.pki.issue.verify_draft", lambda draft: None)
    request, profile, issuer, life = _cases()[number]
    made = sign(request, profile, issuer, new_serial(), life)  # type: ignore[arg-type]
    builder = x509.CertificateBuilder(
        made.issuer, made.subject, made.public_key(), made.serial_number, extensions=list(made.extensions)
    )
    builder = builder.not_valid_before(made.not_valid_before_utc).not_valid_after(made.not_valid_after_utc)
    theirs = builder.sign(issuer.key, digest_for(issuer.key))  # type: ignore[arg-type]
    assert made.tbs_certificate_bytes == theirs.tbs_certificate_bytes
    made.verify_directly_issued_by(issuer.certificate)
    assert (made.not_valid_before_utc, made.not_valid_after_utc) == (life.not_before, life.not_after)


class CountingKey(ec.EllipticCurvePrivateKey):
    """A signer that keeps its key elsewhere, as a token does."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self.key, self.signatures = key, 0

    def sign(self, data: object, signature_algorithm: object) -> bytes:
        self.signatures += 1
        return self.key.sign(data, signature_algorithm)  # type: ignore[arg-type]

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self.key.public_key()

    @property
    def curve(self) -> ec.EllipticCurve:
        return self.key.curve

    @property
    def key_size(self) -> int:
        return self.key.key_size

    def exchange(self, algorithm: object, peer_public_key: object) -> bytes:
        raise NotImplementedError

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        raise NotImplementedError

    def private_bytes(self, *how: object) -> bytes:
        raise NotImplementedError

    def __copy__(self) -> "CountingKey":
        raise NotImplementedError

    def __deepcopy__(self, memo: object) -> "CountingKey":
        raise NotImplementedError


def test_a_signer_elsewhere_signs_once_and_nothing_that_breaks_a_rule() -> None:
    token = CountingKey(key_of("p256", "root"))  # type: ignore[arg-type]
    issuer = Issuer(CA.certificate, token)
    made = sign(Request(f"mx.{DOMAIN}", KEY), RELAY, issuer, new_serial(), LIFE)
    made.verify_directly_issued_by(CA.certificate)
    weak = rsa.generate_private_key(65537, 1024).public_key()
    with pytest.raises(LintError, match="1024 bits"):
        sign(Request(f"mx.{DOMAIN}", weak), RELAY, issuer, new_serial(), LIFE)
    assert token.signatures == 1


@pytest.mark.parametrize(
    "host", ["mx.example.com", "polkatistas.org.evil.example", "xpolkatistas.org", "dmzmail"]
)
def test_names_outside_the_domains_of_the_ca_are_refused(host: str) -> None:
    with pytest.raises(NameRefusedError) as caught:
        issue(host)
    assert caught.value.reason == f"{host} is outside what the CA may certify ({DOMAIN})"
    with pytest.raises(NameRefusedError):
        issue(dns_names=(host,))


def test_addresses_are_free_under_constraints_on_domains() -> None:
    """RFC 5280 section 4.2.1.10: restrictions apply only to names of the form they have."""
    assert issue(addresses=(ip_address("192.0.2.1"),), issuer=WITH_ADDRESSES)


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_an_authority_for_hosts_alone_certifies_no_address(address: str) -> None:
    for issuer in (CA, intermediate_of("p256"), root_of("p256", domains=())):
        with pytest.raises(NameRefusedError) as caught:
            issue(addresses=(ip_address(address),), issuer=issuer)
        assert f"{address} is in what the CA must not certify" in caught.value.reason


def test_an_intermediate_repeats_the_domains_and_may_not_widen_them() -> None:
    assert permitted_domains(intermediate_of("p256").certificate) == (DOMAIN,)
    request = Request("Lab Sub", KEY, organization="Lab", permitted_domains=(f"a.{DOMAIN}",))
    narrower = sign(request, INTERMEDIATE, CA, new_serial(), LIFE)
    assert permitted_domains(narrower) == (f"a.{DOMAIN}",)
    with pytest.raises(NameRefusedError):
        sign(replace(request, permitted_domains=("example.com",)), INTERMEDIATE, CA, new_serial(), LIFE)


def test_an_intermediate_makes_no_further_ca() -> None:
    request, lower = Request("Lab Third", KEY, organization="Lab"), intermediate_of("p256")
    with pytest.raises(LintError, match="path length"):
        sign(request, INTERMEDIATE, lower, new_serial(), validity(NOW, YEAR, lower))


def test_a_ca_free_of_constraints_certifies_anything() -> None:
    free = root_of("p256", domains=())
    assert sign(Request("mx.example.com", KEY), RELAY, free, new_serial(), validity(NOW, YEAR, free))


@pytest.mark.parametrize("name", ["", " x", "Müller CA", "A/B", "A+B", "tab\there", "x" * 65])
def test_ca_names_that_sendmail_cannot_match_are_refused(name: str) -> None:
    key = key_of("p256", "root")
    with pytest.raises(NameRefusedError):
        make_root(name, "Lab", key, new_serial(), validity(NOW, YEAR))
    if name:
        with pytest.raises(NameRefusedError, match="organization"):
            make_root("CA", name, key, new_serial(), validity(NOW, YEAR))


def test_a_ca_name_that_sendmail_would_cut_is_refused() -> None:
    key = key_of("p256", "root")
    with pytest.raises(NameRefusedError, match="200"):
        make_root("( )" * 20, "<>" * 30, key, new_serial(), validity(NOW, YEAR))


@pytest.mark.parametrize("key_type", ["p256", "p384", "rsa2048", "ed25519"])
def test_a_root_is_signed_by_itself(key_type: str) -> None:
    made = root_of(key_type).certificate
    made.verify_directly_issued_by(made)
    assert matches(made, key_of(key_type, "root"))
    told = describe(made)
    assert (told.is_ca, told.path_length, told.permitted_domains, told.roles) == (True, 1, (DOMAIN,), ())


def test_an_issuer_is_a_ca_with_its_own_key() -> None:
    with pytest.raises(DataError, match="is not the key of"):
        Issuer(CA.certificate, key_of("p256", "leaf"))
    with pytest.raises(DataError, match="not a CA"):
        Issuer(issue(), key_of("p256", "leaf"))


def test_nothing_shows_a_private_key() -> None:
    assert "PrivateKey" not in repr(CA)
    assert ROOT.is_ca
