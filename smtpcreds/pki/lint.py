"""Rules that every certificate of ours obeys, checked on a draft before the CA key signs it.

One small function a rule; each returns what is wrong, or None. The table at the end cites where a rule comes
from. Rules look at the decoded certificate, so they also catch a builder that does not do what was asked.
"""

from collections.abc import Callable, Iterator

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import SignatureAlgorithmOID

from ..errors import LintError, NameRefusedError
from ..lazy import dataclass
from ..names import parse_host
from .keys import weakness
from .names import MAX_DN, MAX_PART, common_name, part_fault, sendmail_dn
from .values import PURPOSE_OIDS, Draft, Issuer, constraints_below, key_usage

_SHA2 = (hashes.SHA256, hashes.SHA384, hashes.SHA512)


@dataclass(frozen=True)
class Rule:
    """A rule, where it comes from, and how to see whether it is broken."""

    name: str
    source: str
    fault: Callable[[Draft], str | None]


def version(draft: Draft) -> str | None:
    """Extensions need version 3."""
    return None if draft.certificate.version is x509.Version.v3 else "the version is not 3"


def serial_number(draft: Draft) -> str | None:
    """Positive and at most 20 octets."""
    return (
        None
        if 0 < draft.certificate.serial_number < 1 << 159
        else "the serial number is not of 1 to 159 bits"
    )


def signature(draft: Draft) -> str | None:
    """SHA-2, or Ed25519 which has its own hash."""
    if draft.certificate.signature_algorithm_oid == SignatureAlgorithmOID.ED25519:
        return None
    strong = isinstance(draft.certificate.signature_hash_algorithm, _SHA2)
    return None if strong else "the signature does not use SHA-2"


def issuer_name(draft: Draft) -> str | None:
    """The subject of the issuer, or of the root itself; never empty."""
    expected = draft.issuer.name if draft.issuer else draft.names.subject
    found = draft.certificate.issuer
    return None if len(found) and found == expected else "the issuer is not the subject of the CA certificate"


def validity_order(draft: Draft) -> str | None:
    """The end is after the beginning."""
    certificate = draft.certificate
    ordered = certificate.not_valid_before_utc < certificate.not_valid_after_utc
    return None if ordered else "it ends before it begins"


def validity_nested(draft: Draft) -> str | None:
    """Within the time of the issuer, because every certificate of a path must be valid."""
    if draft.issuer is None:
        return None
    begins_within = draft.issuer.not_before <= draft.certificate.not_valid_before_utc
    ends_within = draft.certificate.not_valid_after_utc <= draft.issuer.not_after
    return None if begins_within and ends_within else "it is valid outside the time of its CA"


def subject_name(draft: Draft) -> str | None:
    """The host as only attribute, or none where the CN can't hold it; of a CA, what Sendmail can match."""
    subject = draft.names.subject
    if draft.profile.is_ca:
        return _ca_subject_fault(subject)
    expected = [draft.request.name] if len(draft.request.name) <= MAX_PART else []
    found = [str(part.value) for part in subject]
    named = common_name(subject) == draft.request.name or not found
    return None if found == expected and named else "the subject is not the host name alone"


def _ca_subject_fault(subject: x509.Name) -> str | None:
    if common_name(subject) is None:
        return "the subject has no common name"
    if len(sendmail_dn(subject)) > MAX_DN:
        return f"the subject is over {MAX_DN} characters as Sendmail writes it"
    return next(filter(None, (part_fault(str(part.value)) for part in subject)), None)


def public_key(draft: Draft) -> str | None:
    """The key that was requested."""
    return None if draft.public_key == draft.request.public_key else "it holds another public key"


def key_strength(draft: Draft) -> str | None:
    """RSA of 2048 bits at least, NIST curves, Ed25519."""
    fault = weakness(draft.public_key)
    return f"the key {fault}" if fault else None


def basic_constraints(draft: Draft) -> str | None:
    """Present, critical, and telling CA from host."""
    value = draft.value(x509.BasicConstraints)
    right = value is not None and value.ca is draft.profile.is_ca
    return (
        None
        if right and draft.is_critical(x509.BasicConstraints)
        else "basicConstraints do not fit the profile"
    )


def path_length(draft: Draft) -> str | None:
    """That of the profile, and shorter than the issuer's."""
    value = draft.value(x509.BasicConstraints)
    if value is None or not value.ca:
        return None
    if draft.profile.path_length not in (None, value.path_length):
        return "the path length is not that of the profile"
    room = _path_room(draft.issuer)
    fits = room is None or (value.path_length is not None and value.path_length < room)
    return None if fits else "the CA's path length allows no CA below it"


def _path_room(issuer: Issuer | None) -> int | None:
    if issuer is None:
        return None
    return issuer.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length


def usage(draft: Draft) -> str | None:
    """Critical, and no bit more than profile and key need."""
    right = draft.value(x509.KeyUsage) == key_usage(draft.profile, draft.request.public_key)
    return None if right and draft.is_critical(x509.KeyUsage) else "keyUsage does not fit profile and key"


def issuer_may_sign(draft: Draft) -> str | None:
    """A CA whose keyUsage lacks keyCertSign can't issue."""
    if draft.issuer is None:
        return None
    found = draft.issuer.key_usage
    may = found is None or found.key_cert_sign
    return None if may else "the CA certificate's keyUsage does not allow signing certificates"


def purposes(draft: Draft) -> str | None:
    """Exactly the roles of the profile, not critical; CAs have none."""
    value = draft.value(x509.ExtendedKeyUsage)
    found = list(value) if value is not None else []
    right = found == [PURPOSE_OIDS[purpose] for purpose in draft.profile.purposes]
    critical = draft.is_critical(x509.ExtendedKeyUsage)
    return None if right and not critical else "extendedKeyUsage does not fit the profile"


def alternative_names(draft: Draft) -> str | None:
    """The names and addresses of the request; critical when, and only when, the subject is empty."""
    found = draft.names
    expected = () if draft.profile.is_ca else draft.request.hosts
    if found.dns_names != expected or found.addresses != draft.request.addresses:
        return "subjectAltName does not hold the requested names"
    critical = draft.is_critical(x509.SubjectAlternativeName)
    nameless = not len(found.subject)
    return (
        None if critical == nameless else "subjectAltName must be critical if the subject is empty, else not"
    )


def host_names(draft: Draft) -> str | None:
    """A-labels in lower case; a wildcard is the whole left label."""
    for name in draft.names.dns_names:
        try:
            parse_host(name, wildcard=True)
        except NameRefusedError as refused:
            return f"{name} {refused.reason}"
    return None


def subject_key_id(draft: Draft) -> str | None:
    """Present, not critical, of SHA-1's length."""
    value = draft.value(x509.SubjectKeyIdentifier)
    right = value is not None and len(value.digest) == 20 and not draft.is_critical(x509.SubjectKeyIdentifier)
    return None if right else "subjectKeyIdentifier is missing, critical or not of 20 octets"


def authority_key_id(draft: Draft) -> str | None:
    """The issuer's subjectKeyIdentifier, a root's own; not critical."""
    value = draft.value(x509.AuthorityKeyIdentifier)
    own = draft.value(x509.SubjectKeyIdentifier)
    expected = draft.issuer.key_identifier if draft.issuer else own and own.digest
    right = value is not None and value.key_identifier == expected
    critical = draft.is_critical(x509.AuthorityKeyIdentifier)
    return None if right and not critical else "authorityKeyIdentifier is not the CA's key identifier"


def name_constraints(draft: Draft) -> str | None:
    """Only on CAs, critical, and holding what was asked for, else what the CA above is held to."""
    expected = constraints_below(draft.request, draft.issuer) if draft.profile.is_ca else None
    found = draft.value(x509.NameConstraints)
    if found is None:
        return "nameConstraints are missing" if expected else None
    right = found == expected and draft.is_critical(x509.NameConstraints)
    return None if right else "nameConstraints do not fit the request"


def distribution_point(draft: Draft) -> str | None:
    """Not critical, and the address that the issuer is told; none where it is told none."""
    value = draft.value(x509.CRLDistributionPoints)
    wanted = draft.issuer.crl_url if draft.issuer else ""
    found = [name.value for point in value or () for name in point.full_name or ()]
    if found != ([wanted] if wanted else []):
        return "the CRL distribution point is not the issuer's"
    return "cRLDistributionPoints is critical" if draft.is_critical(x509.CRLDistributionPoints) else None


def known_extensions(draft: Draft) -> str | None:
    """Nothing that the profile does not ask for."""
    strange = draft.extensions.keys() - _KNOWN
    return (
        f"it has the extension {next(iter(strange)).dotted_string}, which no profile asks for"
        if strange
        else None
    )


_KNOWN = {
    kind.oid
    for kind in (
        x509.BasicConstraints,
        x509.KeyUsage,
        x509.ExtendedKeyUsage,
        x509.SubjectAlternativeName,
        x509.SubjectKeyIdentifier,
        x509.AuthorityKeyIdentifier,
        x509.NameConstraints,
        x509.CRLDistributionPoints,
    )
}

RULES = (
    Rule("version", "RFC 5280 section 4.1.2.1", version),
    Rule("serial_number", "RFC 5280 section 4.1.2.2", serial_number),
    Rule("signature", "RFC 9155 section 2", signature),
    Rule("issuer_name", "RFC 5280 section 4.1.2.4", issuer_name),
    Rule("validity_order", "RFC 5280 section 4.1.2.5", validity_order),
    Rule("validity_nested", "RFC 5280 section 6.1.3", validity_nested),
    Rule("subject_name", "RFC 5280 section 4.1.2.6", subject_name),
    Rule("public_key", "RFC 5280 section 4.1.2.7", public_key),
    Rule("key_strength", "RFC 9325 section 4.5", key_strength),
    Rule("basic_constraints", "RFC 5280 section 4.2.1.9", basic_constraints),
    Rule("path_length", "RFC 5280 section 4.2.1.9", path_length),
    Rule("usage", "RFC 5280 section 4.2.1.3", usage),
    Rule("issuer_may_sign", "RFC 5280 section 4.2.1.3", issuer_may_sign),
    Rule("purposes", "RFC 5280 section 4.2.1.12", purposes),
    Rule("alternative_names", "RFC 5280 section 4.2.1.6", alternative_names),
    Rule("host_names", "RFC 9525 section 6.3", host_names),
    Rule("subject_key_id", "RFC 5280 section 4.2.1.2", subject_key_id),
    Rule("authority_key_id", "RFC 5280 section 4.2.1.1", authority_key_id),
    Rule("name_constraints", "RFC 5280 section 4.2.1.10", name_constraints),
    Rule("distribution_point", "RFC 5280 section 4.2.1.13", distribution_point),
    Rule("known_extensions", "RFC 5280 section 4.2", known_extensions),
)


def findings(draft: Draft) -> Iterator[tuple[Rule, str]]:
    """Yield every broken rule with what is wrong."""
    for rule in RULES:
        if fault := rule.fault(draft):
            yield rule, fault


def verify_draft(draft: Draft) -> None:
    """Refuse a draft that breaks a rule."""
    if faults := [f"{fault} ({rule.source})" for rule, fault in findings(draft)]:
        raise LintError(draft.request.name, "; ".join(faults))
