"""MTA: tables of Postfix of a type that it does not have, and words that are no table where one is meant.

Source: DATABASE_README, dynamicmaps.cf; what comes of each was seen with 3.7.11.
"""

from collections.abc import Iterator
from itertools import pairwise

from ..errors import nearest
from ..model import Finding
from ..mta import postfix_rules as effect
from ..mta.postfix_tables import network_of
from .finding import Code
from .host import MAIN_CF, Host
from .postfix_missing import LISTS, OF_SENDERS, OF_SERVERS, without, without_table, words_in
from .postfix_scopes import PASSWORDS, Scope, own_passwords, servers, words_of

MTA148 = Code.error(
    "MTA148",
    "Postfix is to ask a table of a type that it does not have, or of none; it ends sessions, puts mail off "
    "(451), or hands none to the relay",
)
_BUILT_IN = frozenset(
    {
        *("btree", "cidr", "dbm", "debug", "environ", "fail", "hash", "inline", "internal", "memcache"),
        *("netinfo", "nis", "nisplus", "pipemap", "proxy", "randmap", "regexp", "socketmap", "static"),
        *("tcp", "texthash", "unionmap", "unix"),
    }
)
_BY_PACKAGE = frozenset({"cdb", "ldap", "lmdb", "mongodb", "mysql", "pcre", "pgsql", "sdbm", "sqlite"})
_MAPS = f"{MAIN_CF.rpartition('/')[0]}/dynamicmaps.cf"
_OF_SERVERS = (
    *("smtpd_sender_login_maps", "smtpd_milter_maps", "relay_clientcerts", "mime_header_checks"),
    *("local_recipient_maps", "relay_recipient_maps"),
)
_OF_SENDERS = (
    *("smtp_dns_reply_filter", "smtp_mime_header_checks", "mime_header_checks"),
    *("address_verify_transport_maps", "address_verify_sender_dependent_relayhost_maps"),
    "address_verify_sender_dependent_default_transport_maps",
)
_NEED_A_TYPE = (
    *("alias_maps", "rbl_reply_maps", "smtpd_dns_reply_filter", "smtpd_reject_footer_maps"),
    *("milter_header_checks", "nested_header_checks"),
)
_SENDING_NEEDS_A_TYPE = (
    *("default_delivery_status_filter", "smtp_delivery_status_filter", "smtp_pix_workaround_maps"),
    *("smtp_nested_header_checks", "milter_header_checks", "nested_header_checks"),
)
"""Of these a type that is not there does little; a word without one ends the service."""
_MAY_BE_A_WORD = LISTS | {"local_header_rewrite_clients"}


def typed(host: Host) -> Iterator[Finding]:
    """Each table is of a type that Postfix has."""
    needing = {*_NEED_A_TYPE, *_SENDING_NEEDS_A_TYPE}
    of_servers, of_senders = (*OF_SERVERS, *_OF_SERVERS), (*OF_SENDERS, *_OF_SENDERS)
    named = words_in(host, (*of_servers, *_NEED_A_TYPE), (*of_senders, *_SENDING_NEEDS_A_TYPE))
    for (word, name), scope in named.items():
        if name in needing and ":" in word:
            continue
        plain = word.lstrip("!")
        is_table = name not in _MAY_BE_A_WORD or (":" in plain and plain[0] not in "[/")
        if is_table and (why := _why(host, plain)):
            yield _found(scope, name, word, why, without(scope, name, word, _meant(scope, name, word)))
    for scope in servers(host):
        for name in (*effect.LISTS, *scope.conf.words("smtpd_restriction_classes")):
            for before, word in pairwise(("", *words_of(scope.conf.value(name)))):
                if _is_asked(before, word) and (why := _why(host, word)):
                    meant = _meant(scope, name, word)
                    cure = without(scope, name, word, meant) if meant else without_table(scope, name, word)
                    yield _found(scope, name, word, why, cure)


def _is_asked(before: str, word: str) -> bool:
    """Tell whether a word of a list of restrictions is a table: behind ``check_..._access``, or alone."""
    if before.lower().startswith("check_") and before.lower().endswith("_access"):
        return True
    return ":" in word and word[0] != "{" and not effect.takes_a_word(before.lower())


def _found(scope: Scope, name: str, word: str, why: str, cure: str) -> Finding:
    reason = f"says {word} in {name}, {why}"
    return MTA148.found(scope.file(name), reason, own_passwords(scope) if name == PASSWORDS else cure)


def _why(host: Host, word: str) -> str:
    """Say what is wrong with a table, as ``pcre:/etc/postfix/checks``; nothing if it can be asked."""
    kind, colon, rest = word.removeprefix("proxy:").partition(":")
    if not (kind and colon and rest):
        return "which is no type and name of a table"
    return "" if _has(host, kind) else f"and this Postfix has no tables of type {kind}"


def _has(host: Host, kind: str) -> bool:
    """Tell whether there are tables of a type; of those that packages bring dynamicmaps.cf has a line."""
    if kind not in _BY_PACKAGE or kind == host.site.system.postfix_map:
        return kind in _BUILT_IN or kind in _BY_PACKAGE
    main = host.content(host.path(_MAPS))
    more = (host.content(path) for path in host.globbed(host.said(f"{_MAPS}.d/*")))
    lines = (
        line.split()
        for found in (main, *more)
        for line in (found or b"").decode(errors="replace").splitlines()
    )
    return main is None or any(line[:1] == [kind] for line in lines)


def _meant(scope: Scope, name: str, word: str) -> str:
    """Return what was probably meant by a word; nothing where that is not known."""
    plain = word.lstrip("!")
    kind, _, rest = plain.removeprefix("proxy:").partition(":")
    sign = word.removesuffix(f"{kind}:{rest}")
    if name in LISTS and network_of(plain):  # an IPv6 address without its brackets
        address, slash, length = plain.partition("/")
        return f"{sign}[{address}]{slash}{length}"
    if plain.startswith("/"):
        usual = scope.conf.settings.get("default_database_type", scope.host.site.system.postfix_map)
        return f"{usual}:{plain}"
    known = [known for known in _BUILT_IN | _BY_PACKAGE if _has(scope.host, known)]
    near = nearest(kind, sorted(known)) if kind and rest and kind not in _BY_PACKAGE else None
    return f"{sign}{near}:{rest}" if near else ""
