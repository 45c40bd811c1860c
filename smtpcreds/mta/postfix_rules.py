"""What settings of Postfix come to, taken together: who passes the lists of restrictions, which TLS is left.

Source: postconf(5), SMTPD_ACCESS_README, SASL_README and TLS_README of Postfix 3.7.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from itertools import takewhile

from ..lazy import dataclass, pattern
from .main_cf import MainCf, words
from .postfix_tables import Network, network_of

# Lists of restrictions. A map, a policy server or a block list is taken as having nothing to say.

RELAYING = ("smtpd_relay_restrictions", "smtpd_recipient_restrictions")
BEFORE_LOGIN = ("smtpd_client_restrictions", "smtpd_helo_restrictions")
"""Looked at when the client connects or greets, where ``smtpd_delay_reject`` is off."""
LISTS = (
    *BEFORE_LOGIN,
    "smtpd_sender_restrictions",
    *RELAYING,
    "smtpd_data_restrictions",
    "smtpd_end_of_data_restrictions",
)
_BARE = {
    "smtpd_client_restrictions": "check_client_access",
    "smtpd_helo_restrictions": "check_helo_access",
    "smtpd_sender_restrictions": "check_sender_access",
    **dict.fromkeys(RELAYING, "check_recipient_access"),
}
"""What a table stands for that has no restriction before it; in the other lists it is none (observed)."""
_DEFAULT = "permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination"
AUTHENTICATED = "permit_sasl_authenticated"
LISTED, OF_CA = "permit_tls_clientcerts", "permit_tls_all_clientcerts"
BY_TABLE = "check_ccert_access"
BY_CERTIFICATE = (LISTED, OF_CA)
_REJECTS = frozenset({"reject", "defer", "defer_if_permit"})
_REJECT_FOREIGN = frozenset({"reject_unauth_destination", "defer_unauth_destination"})
_OF_OURSELVES = frozenset({"permit_mynetworks", "permit_auth_destination", "permit_inet_interfaces"})
_OWNERS = frozenset({"reject_sender_login_mismatch", "reject_authenticated_sender_login_mismatch"})
"""Refuse who logged in with a sender address that is not listed as theirs; without a list, all of them."""
_EVERYBODY = pattern(r"(?:^|[\s,\[])(?:0\.0\.0\.0/0|\[?::\]?/0|static:all)(?:$|[\s,\]])")
_TAKES_A_WORD = pattern(
    r"check_\w+|reject_rbl_\w+|reject_rhsbl_\w+|permit_dnswl_\w+|permit_rhswl_\w+|reject_maps_rbl|sleep"
)
_HARMLESS = frozenset(
    {
        *BY_CERTIFICATE,
        *_OF_OURSELVES,
        AUTHENTICATED,
        "permit_mx_backup",
        "permit_naked_ip_address",
        "reject_plaintext_session",
        "defer_if_reject",
    }
)
"""Of no effect on a stranger who offers mail for another domain."""
_MET_AT_WILL = pattern(
    r"reject_non_fqdn_\w+|reject_invalid_\w+|reject_unknown_(?:sender|recipient)_domain"
    r"|reject_unauth_pipelining|reject_multi_recipient_bounce|reject_unlisted_sender|sleep"
)
"""What a stranger passes who gives names that exist and waits for answers."""
_LARGEST = 8
_MAX_DEPTH = 8
_KNOWN = pattern(
    r"check_(?:client|reverse_client_hostname|helo|sender|recipient)(?:_(?:mx|ns|a))?_access"
    r"|check_(?:ccert|sasl|etrn|reverse_client_hostname(?:_(?:mx|ns|a))?)_access|check_policy_service"
    r"|(?:permit|reject|defer)|defer_if_(?:permit|reject)|(?:reject|defer)_unauth_destination|sleep"
    r"|permit_(?:auth_destination|dnswl_client|inet_interfaces|mx_backup|mynetworks|naked_ip_address)"
    r"|permit_(?:rhswl_client|sasl_authenticated|tls_all_clientcerts|tls_clientcerts)"
    r"|reject_(?:rbl|rhsbl)_(?:client|helo|recipient|reverse_client|sender)|reject_maps_rbl"
    r"|reject_(?:invalid|non_fqdn|unknown)_(?:helo_)?hostname|reject_non_fqdn_(?:recipient|sender)"
    r"|reject_unknown_(?:(?:client|reverse_client)(?:_hostname)?|address|recipient_domain|sender_domain)"
    r"|reject_unlisted_(?:recipient|sender)|reject_unverified_(?:recipient|sender)"
    r"|reject_(?:(?:un)?authenticated_|known_)?sender_login_mismatch"
    r"|reject_(?:multi_recipient_bounce|plaintext_session|unauth_pipelining)|check_relay_domains"
)
"""Restrictions; behind another word nobody's mail is taken (observed: ``451 Server configuration error``)."""


def takes_a_word(name: str) -> bool:
    """Tell whether the next word belongs to a restriction: a table, a policy server, a block list."""
    return bool(_TAKES_A_WORD.fullmatch(name))


def is_known(name: str) -> bool:
    """Tell whether a word is a restriction."""
    return bool(_KNOWN.fullmatch(name))


@dataclass(frozen=True)
class Rule:
    """One restriction with its argument, of a list that stands in the settings or a class that it names."""

    name: str
    argument: str = ""
    is_warning: bool = False


def rules(conf: MainCf, parameter: str, depth: int = _MAX_DEPTH, bare: str = "") -> Iterator[Rule]:
    """Yield the restrictions of a list in order; classes are put in.

    Args:
        conf: where the list is.
        parameter: its name.
        depth: of classes in classes, at most.
        bare: what a table stands for that has no restriction before it; by default that of the list.
    """
    bare = bare or _BARE.get(parameter, "")
    classes = set(conf.words("smtpd_restriction_classes"))
    rest = iter(words(conf.value(parameter) or _unset(conf, parameter)))
    is_warning = False
    for word in rest:
        name = word.lower()
        if name == "warn_if_reject":
            is_warning = True
            continue
        if word in classes and depth:
            yield from rules(conf, word, depth - 1, bare)
        elif ":" in word and bare:
            yield _of_table(Rule(bare, word, is_warning))
        else:
            argument = next(rest, "") if takes_a_word(name) else ""
            yield _of_table(Rule(name, argument, is_warning))
        is_warning = False


def _unset(conf: MainCf, parameter: str) -> str:
    """Return the default of a list; before ``compatibility_level`` 1 it lets through what it would refuse."""
    return _DEFAULT if parameter == RELAYING[0] and parameter not in conf.settings else ""


def _of_table(rule: Rule) -> Rule:
    """Return what a table that says one thing to everybody comes to."""
    kind, _, value = rule.argument.partition(":")
    plain = {"ok": "permit", "permit": "permit", "reject": "reject", "defer": "defer"}
    first = value.split()[0].lower() if value.split() else ""
    if rule.name.startswith("check_") and kind == "static" and first in plain:
        return Rule(plain[first], is_warning=rule.is_warning)
    return rule


Saying = Callable[[Rule], str]
"""Returns what a table says of this client: REFUSES, PERMITS, or nothing."""
REFUSES, PERMITS = "refuses", "permits"


def says_nothing(_rule: Rule) -> str:
    """Stand for tables that are not asked."""
    return ""


def refusal(conf: MainCf, parameter: str, granted: Collection[str], says: Saying = says_nothing) -> str:
    """Return the restriction by which a list refuses a client's mail for another domain; empty if it passes.

    Args:
        conf: the settings.
        parameter: the list.
        granted: restrictions that permit this client.
        says: what tables say of it.
    """
    for rule in rules(conf, parameter):
        said = says(rule)
        if rule.name == "permit" or rule.name in granted or said == PERMITS:
            return ""
        if rule.is_warning:
            continue
        if said == REFUSES or not is_known(rule.name):
            return f"{rule.name} {rule.argument}".strip()
        if rule.name in _REJECTS or (rule.name in _REJECT_FOREIGN and parameter in RELAYING):
            return rule.name
        if rule.name in _OWNERS and AUTHENTICATED in granted and not conf.value("smtpd_sender_login_maps"):
            return rule.name
    return ""


_OUTSIDE = pattern(
    r"reject_rbl_\w+|reject_rhsbl_\w+|reject_maps_rbl"
    r"|reject_unknown_(?:reverse_)?(?:client|helo)_hostname|reject_unverified_(?:sender|recipient)"
    r"|reject_unknown_(?:client|hostname|address)|reject_unknown_sender_domain"
)


WAITING = pattern(r"check_policy_service|reject_unknown_recipient_domain")
"""What refuses those who logged in only for a reason, as a quota or a recipient that nobody has, or while no
answer comes."""


def question(conf: MainCf, parameter: str, granted: Collection[str], asks: re.Pattern[str] = _OUTSIDE) -> str:
    """Return what a list asks others before it permits a client: a policy server, a block list, the DNS.

    Args:
        conf: where the list is.
        parameter: its name.
        granted: rules that permit the client.
        asks: names of rules.
    """
    for rule in rules(conf, parameter):
        if rule.name == "permit" or rule.name in granted:
            return ""
        if not rule.is_warning and asks.fullmatch(rule.name):
            return f"{rule.name} {rule.argument}".strip()
    return ""


def is_working(conf: MainCf) -> bool:
    """Tell whether a list says what to do with strangers; where none does, every session ends (observed).

    What stands behind ``permit`` does not count.
    """
    lists = (takewhile(lambda rule: rule.name != "permit", rules(conf, name)) for name in RELAYING)
    named = {rule.name for found in lists for rule in found}
    return bool(named & (_REJECTS | _REJECT_FOREIGN)) or not named <= _HARMLESS


def is_open(conf: MainCf, *permits: str) -> bool:
    """Tell whether nothing keeps a stranger from relaying, who meets these; in doubt nothing is said."""
    granted = {"permit_mynetworks", *permits} if trusts_everybody(conf) else {*permits}
    return not any(_may_refuse(conf, name, granted) for name in LISTS)


def trusts_everybody(conf: MainCf) -> bool:
    """Tell whether ``mynetworks`` is the whole internet."""
    return bool(_EVERYBODY.search(conf.value("mynetworks"))) or any(
        is_everybody(network) for word in words(conf.value("mynetworks")) if (network := network_of(word))
    )


def is_everybody(network: Network) -> bool:
    """Tell whether a network is a large part of the internet; no organisation has more than a /8."""
    return network.prefixlen < _LARGEST and not network.is_private


def _may_refuse(conf: MainCf, parameter: str, granted: Collection[str]) -> bool:
    for rule in rules(conf, parameter):
        if rule.name == "permit" or rule.name in granted:
            return False
        if not rule.is_warning and rule.name not in _HARMLESS and not _MET_AT_WILL.fullmatch(rule.name):
            return True
    return False


def asks_for_certificate(conf: MainCf) -> bool:
    """Tell whether clients are asked for a certificate in TLS."""
    return conf.is_on("smtpd_tls_ask_ccert") or conf.is_on("smtpd_tls_req_ccert")


# TLS: which versions are left, and which digest names a certificate.

_VERSIONS = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
_MODERN = frozenset({"TLSv1.2", "TLSv1.3"})
"""What the OpenSSL of current systems speaks."""
DIGITS = {"md5": 32, "sha1": 40, "sha224": 56, "sha256": 64, "sha384": 96, "sha512": 128}
"""Digest to its length in hex."""
_FINGERPRINT = pattern(r"[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2})+")
_SINCE_SHA256 = (3, 6)


def versions(value: str) -> frozenset[str]:
    """Return the versions of TLS that a ``..._protocols`` leaves, of those that OpenSSL speaks today."""
    given = [word for word in re.split(r"[\s,:]+", value) if word]
    named = {known for word in given for known in _VERSIONS if word.lower() == known.lower()}
    left_over = named or set(_VERSIONS)
    for word in given:
        sign, name = (word[:2], word[2:]) if word[:2] in {">=", "<="} else (word[:1], word[1:])
        at = next((n for n, known in enumerate(_VERSIONS) if known.lower() == name.lower()), None)
        if at is not None and sign in _KEPT:
            left_over &= _KEPT[sign](at)
    return frozenset(left_over) & _MODERN


_VERSION = pattern(r"(?:!|>=|<=)?(?:SSLv[23]|TLSv1(?:\.[0-3])?|(?:0x)?[0-9a-f]+)", re.IGNORECASE)


def misnamed_versions(value: str) -> tuple[str, ...]:
    """Return the words of a ``..._protocols`` that name no version, of which one switches TLS off."""
    return tuple(word for word in re.split(r"[\s,:]+", value) if word and not _VERSION.fullmatch(word))


_KEPT: dict[str, Callable[[int], set[str]]] = {
    ">=": lambda at: set(_VERSIONS[at:]),
    "<=": lambda at: set(_VERSIONS[: at + 1]),
    "!": lambda at: set(_VERSIONS) - {_VERSIONS[at]},
}


def digest(conf: MainCf, name: str) -> str:
    """Return the digest of a ``..._fingerprint_digest``; its default depends on ``compatibility_level``."""
    return conf.value(name).lower() or ("sha256" if conf.level >= _SINCE_SHA256 else "md5")


def misfits(keys: Iterable[str], name: str) -> dict[str, str]:
    """Return the fingerprints that can't be of a digest, each with one that it can be of, or nothing."""
    by_length = {length: known for known, length in DIGITS.items()}
    return {
        key: by_length.get(len(key.replace(":", "")), "") if _FINGERPRINT.fullmatch(key) else ""
        for key in keys
        if not _FINGERPRINT.fullmatch(key) or len(key.replace(":", "")) != DIGITS.get(name, 0)
    }
