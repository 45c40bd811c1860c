"""Host names as certificates and SASL realms need them.

Sources: RFC 1034 section 3.5 and RFC 1123 section 2.1 (letters, digits, hyphens; 63 octets a label, 253 in
all), RFC 9525 section 6.3 (a wildcard is the whole left label), RFC 5890 (A-labels).
"""

from .errors import NameRefusedError, quoted
from .lazy import pattern

MAX_NAME = 253
MAX_LABEL = 63
_LABEL = pattern(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_NUMBER = pattern(r"[0-9]+|0x[0-9a-f]*")


def parse_host(text: str, *, wildcard: bool = False) -> str:
    """Return the host name as lower-case A-labels without a trailing dot.

    Args:
        text: ASCII or Unicode, one or more labels.
        wildcard: accept ``*`` as the left-most of at least three labels.

    Raises:
        NameRefusedError: with the label and the rule it breaks.
    """
    name = _ascii(text.removesuffix("."))
    if not name:
        raise _refused(text, "is empty")
    if len(name) > MAX_NAME:
        raise _refused(text, f"is {len(name)} octets long; a host name has at most {MAX_NAME}")
    labels = name.split(".")
    checked = labels[1:] if wildcard and labels[0] == "*" and len(labels) > 2 else labels
    for label in checked:
        if fault := _label_fault(label):
            raise _refused(text, fault)
    if _NUMBER.fullmatch(labels[-1]):
        raise _refused(text, "ends in a number, as addresses do; give a name")
    return name


def is_qualified(host: str) -> bool:
    """Tell whether the name has a domain part."""
    return "." in host


def covers(pattern: str, host: str) -> bool:
    """Tell whether a presented DNS name matches the host (RFC 9525 section 6.3)."""
    if pattern.startswith("*."):
        return host.partition(".")[2] == pattern[2:]
    return pattern == host


def is_within(host: str, domain: str) -> bool:
    """Tell whether the host is the domain or lies below it (RFC 5280 section 4.2.1.10)."""
    return host == domain or host.endswith("." + domain)


def _ascii(text: str) -> str:
    if text.isascii():
        return text.lower()
    import idna

    try:
        return idna.encode(text, uts46=True, std3_rules=False).decode("ascii")
    except idna.IDNAError as error:
        raise _refused(text, f"is not an IDNA 2008 name: {error}") from None


def _label_fault(label: str) -> str | None:
    if not label:
        return "has an empty label"
    if len(label) > MAX_LABEL:
        return f"has a label of {len(label)} octets; a label has at most {MAX_LABEL}"
    if "_" in label:
        return "has an underscore; host names are letters, digits and hyphens"
    if label.startswith("-") or label.endswith("-"):
        return f"has a label that starts or ends with a hyphen ({label})"
    if not _LABEL.fullmatch(label):
        return "has a character that host names can't have; letters, digits and hyphens are allowed"
    return _a_label_fault(label) if label.startswith("xn--") else None


def _a_label_fault(label: str) -> str | None:
    import idna

    try:
        idna.ulabel(label)
    except idna.IDNAError as error:
        return f"has a label that is not valid Punycode ({label}: {error})"
    return None


def _refused(text: str, fault: str) -> NameRefusedError:
    return NameRefusedError(quoted(text), f"host name {fault}")


# Names of SASL mechanisms, the strongest first: the order in which Cyrus clients prefer them (observed).
#
# Imports nothing, so that a verb's help may name them.

SCRAM = ("SCRAM-SHA-512", "SCRAM-SHA-384", "SCRAM-SHA-256", "SCRAM-SHA-224", "SCRAM-SHA-1")
PLAINTEXT = ("PLAIN", "LOGIN")
"""They show the secret to the other side; never outside TLS (RFC 4616 section 6)."""
BY_PASSWORD = (*SCRAM, "DIGEST-MD5", "CRAM-MD5", *PLAINTEXT)
"""All that a relay serves an account whose clear text it has."""
