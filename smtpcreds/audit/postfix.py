"""MTA: settings of Postfix that switch off, weaken or contradict AUTH, STARTTLS, verification and relaying.

Each service of master.cf is looked at with what its ``-o`` put over main.cf; an administrator's filters on
the loopback interface are not for clients.
"""

import os
from collections.abc import Iterator

from ..model import Finding
from ..mta import main_cf
from ..mta import mechanisms as sasl
from ..mta import postfix_rules as effect
from ..mta.main_cf import MainCf
from ..mta.postfix_hub import CLIENTS
from ..names import BY_PASSWORD, PLAINTEXT
from ..shell import quote
from .finding import Code
from .host import Host
from .postfix_client import secured
from .postfix_lookups import says, trusts_everybody
from .postfix_policy import policy
from .postfix_scopes import (
    BY_FILE,
    ENCRYPTING,
    Scope,
    Table,
    clients,
    is_missing,
    keywords_hidden,
    logins,
    port_of,
    senders,
    servers,
    table_of,
    tables_of,
    without_hidden,
    words_of,
)
from .sasl_conf import confs, smtpd_confs

_IMPLICIT = "465"

MTA102 = Code.error("MTA102", "Postfix has a server certificate, and TLS is off")
MTA101 = Code.error("MTA101", "Postfix offers PLAIN or LOGIN outside TLS")


def server(host: Host) -> Iterator[Finding]:
    """TLS is on where there is a certificate, and no password is asked for outside it."""
    for scope in servers(host):
        conf = scope.conf
        has_pair = conf.value("smtpd_tls_cert_file") or conf.value("smtpd_tls_chain_files")
        if has_pair and scope.level in {"", "none"} and not conf.is_on("smtpd_tls_wrappermode"):
            said = scope.said("smtpd_tls_security_level")
            if not scope.is_own("smtpd_tls_security_level"):
                said = "no smtpd_tls_security_level"
            reason = f"has a server certificate and {said}, so there is no TLS"
            cure = scope.cure("smtpd_tls_security_level", "may")
            yield MTA102.found(scope.file("smtpd_tls_security_level"), reason, cure)
        if conf.is_on("smtpd_sasl_auth_enable") and not _is_guarded(scope) and _plaintext(host, conf):
            reason = "offers PLAIN and LOGIN in clear: smtpd_tls_auth_only is not on"
            cure = scope.cure("smtpd_tls_auth_only", "yes")
            yield MTA101.found(scope.file("smtpd_tls_auth_only"), reason, cure)


def _is_guarded(scope: Scope) -> bool:
    conf = scope.conf
    by_tls = conf.is_on("smtpd_tls_auth_only") or scope.level == "encrypt"
    by_tls = by_tls or conf.is_on("smtpd_tls_wrappermode")
    return by_tls or "noplaintext" in conf.words("smtpd_sasl_security_options")


def _plaintext(host: Host, main: MainCf) -> bool:
    """Tell whether PLAIN or LOGIN is offered at all; Dovecot's own configuration is not asked."""
    return bool({*PLAINTEXT} & set(_offered(host, main)))


def _offered(host: Host, main: MainCf) -> tuple[str, ...]:
    """Return the mechanisms by password that the SASL server knows, before Postfix filters them."""
    limits = [conf.mechanisms for conf in confs(host) if conf.program == "postfix"]
    if main.value("smtpd_sasl_type") != "cyrus" or not limits or not limits[0]:
        return BY_PASSWORD
    return tuple(name for name in limits[0] if name in BY_PASSWORD)


MTA109 = Code.error(
    "MTA109",
    "Postfix has AUTH or STARTTLS, and does not offer it to clients: a service of master.cf switches it "
    "off, it is left out of the answer to EHLO, or AUTH is offered inside TLS only and there is no TLS",
)


def offered(host: Host) -> Iterator[Finding]:
    """Where client hosts come in, AUTH and STARTTLS are offered."""
    for scope in logins(host):
        if not scope.conf.is_on("smtpd_sasl_auth_enable"):
            reason = f"says {scope.said('smtpd_sasl_auth_enable')}, so no client host can log in there"
            cure = scope.cure("smtpd_sasl_auth_enable", "yes")
            yield MTA109.found(scope.file("smtpd_sasl_auth_enable"), reason, cure)
        hidden = keywords_hidden(scope, "smtpd_discard_ehlo_keywords")
        if hidden:
            reason = f"says {scope.said('smtpd_discard_ehlo_keywords')}, so clients never see {hidden}"
            cure = scope.cure(
                "smtpd_discard_ehlo_keywords", without_hidden(scope, "smtpd_discard_ehlo_keywords")
            )
            yield MTA109.found(scope.file("smtpd_discard_ehlo_keywords"), reason, cure)
        yield from _waiting(scope)


def _waiting(scope: Scope) -> Iterator[Finding]:
    conf = scope.conf
    has_pair = conf.value("smtpd_tls_cert_file") or conf.value("smtpd_tls_chain_files")
    is_off = scope.level in {"", "none"} and not conf.is_on("smtpd_tls_wrappermode") and not has_pair
    if is_off and conf.is_on("smtpd_tls_auth_only"):
        reason = "offers AUTH inside TLS alone (smtpd_tls_auth_only), and has no TLS"
        yield MTA109.found(scope.file("smtpd_tls_auth_only"), reason, "smtpcreds mta apply postfix-hub")


MTA125 = Code.warning("MTA125", "Postfix offers no AUTH or no STARTTLS to some client hosts")


def withheld(host: Host) -> Iterator[Finding]:
    """No client host is left out of the offer."""
    for scope in logins(host):
        name = "smtpd_sasl_exceptions_networks"
        if scope.conf.value(name):
            reason = f"says {scope.said(name)}, so hosts there are offered no AUTH"
            yield MTA125.found(scope.file(name), reason, scope.cure(name, ""))
        name = "smtpd_discard_ehlo_keyword_address_maps"
        for table in tables_of(host, scope.conf, name):
            if bare := [key for key, value in table.entries.items() if _hides(value)]:
                reason = f"hides AUTH or STARTTLS from {', '.join(bare)} ({name})"
                yield MTA125.found(table.path or scope.file(name), reason, scope.cure(name, ""))


def _hides(value: str) -> bool:
    return bool({"auth", "starttls"} & set(value.lower().replace(",", " ").split()))


MTA110 = Code.error(
    "MTA110",
    "restrictions of Postfix that refuse clients before they permit those that logged in or have a "
    "listed certificate, or that end every session",
)


def restrictions(host: Host) -> Iterator[Finding]:
    """Who logged in, or shows a listed certificate, passes every list of restrictions."""
    for scope in servers(host):
        name = "smtpd_restriction_classes"
        classes = scope.conf.words(name)
        if missing := [each for each in classes if each not in scope.conf.settings]:
            reason = f"says {scope.said(name)}, and {missing[0]} is not set, so every session ends"
            cure = scope.cure(name, ", ".join(each for each in classes if each not in missing))
            yield MTA110.found(scope.file(name), reason, cure)
        if not effect.is_working(scope.conf):
            name = "smtpd_relay_restrictions"
            reason = f"says {scope.said(name)}, with nothing that refuses strangers, so every session ends"
            cure = scope.cure(name, "permit_sasl_authenticated, reject_unauth_destination")
            yield MTA110.found(scope.file(name), reason, cure)
    for scope in logins(host):
        yield from _refusals(scope, effect.AUTHENTICATED, "those who logged in")
    for scope in servers(host):
        for word in _certificates(scope):
            yield from _refusals(scope, word, "those who show a certificate that may relay")


def _certificates(scope: Scope) -> list[str]:
    named = {rule.name for name in effect.RELAYING for rule in effect.rules(scope.conf, name)}
    return [word for word in effect.BY_CERTIFICATE if word in named]


def _refusals(scope: Scope, permit: str, who: str) -> Iterator[Finding]:
    conf = scope.conf
    for name in effect.LISTS:
        early = name in effect.BEFORE_LOGIN and not conf.is_on("smtpd_delay_reject")
        why = effect.refusal(conf, name, () if early else (permit,), says(scope))
        if why and early and not effect.refusal(conf, name, (permit,), says(scope)):
            reason = f"refuses {who} by {why} in {name}, before they can"
            yield MTA110.found(
                scope.file("smtpd_delay_reject"), reason, scope.cure("smtpd_delay_reject", "yes")
            )
        elif why:
            reason = f"refuses {who} by {why} in {name}, before it permits them"
            if not effect.is_known(why.partition(" ")[0]):
                reason = f"has {why} in {name}, which is no restriction, so every mail is refused"
                yield MTA110.found(scope.file(name), reason, scope.cure(name, _without(conf, name, why)))
                continue
            others = (word for word in words_of(conf.value(name)) if word.lower() != permit)
            yield MTA110.found(scope.file(name), reason, scope.cure(name, ", ".join((permit, *others))))


def _without(conf: MainCf, name: str, word: str) -> str:
    return ", ".join(other for other in words_of(conf.value(name)) if other.lower() != word)


MTA111 = Code.error("MTA111", "Postfix relays for everybody")


def open_relay(host: Host) -> Iterator[Finding]:
    """A stranger who did not log in may not relay."""
    for scope in servers(host):
        conf, name = scope.conf, "smtpd_relay_restrictions"
        value = "permit_sasl_authenticated, reject_unauth_destination"
        trusted = trusts_everybody(scope)
        if trusted:
            name, value = "mynetworks", "127.0.0.0/8"
        if effect.is_working(conf) and effect.is_open(conf, *(["permit_mynetworks"] if trusted else [])):
            reason = f"lets everybody relay, by {name}"
            yield MTA111.found(scope.file(name), reason, scope.cure(name, value))


MTA112 = Code.error(
    "MTA112",
    "Postfix is to relay by certificate, and can't: it asks for none, lists none, or knows no CA",
)


def certificates(host: Host) -> Iterator[Finding]:
    """Who is to relay by certificate is asked for one, and it can be known."""
    for scope in servers(host):
        conf, named = scope.conf, _certificates(scope)
        by_table = any(
            rule.name == effect.BY_TABLE for name in effect.LISTS for rule in effect.rules(conf, name)
        )
        named += [effect.BY_TABLE] if by_table else []
        if named and not effect.asks_for_certificate(conf):
            reason = f"has {named[0]}, and asks no client for a certificate"
            name = "smtpd_tls_ask_ccert"
            yield MTA112.found(scope.file(name), reason, scope.cure(name, "yes"))
        if effect.LISTED in named and not conf.value("relay_clientcerts"):
            reason = f"has {effect.LISTED}, and no relay_clientcerts"
            ours = os.path.exists(host.path(CLIENTS))
            cure = "smtpcreds mta apply postfix-hub --relay-host HOST --edit --run"
            cure = scope.cure("relay_clientcerts", f"texthash:{CLIENTS}") if ours else cure
            yield MTA112.found(scope.file("relay_clientcerts"), reason, cure)
        knows_ca = conf.value("smtpd_tls_CAfile") or conf.value("smtpd_tls_CApath")
        if effect.OF_CA in named and not knows_ca and not conf.is_on("tls_append_default_CA"):
            reason = f"has {effect.OF_CA}, and no smtpd_tls_CAfile, so that no certificate is trusted"
            bundle = f"{host.site.settings.cert.directory}/cacert.pem"
            yield MTA112.found(scope.file("smtpd_tls_CAfile"), reason, scope.cure("smtpd_tls_CAfile", bundle))


MTA113 = Code.error(
    "MTA113",
    "fingerprints in a table or setting of Postfix that can't be of the digest which it computes; none "
    "matches",
)


def fingerprints(host: Host) -> Iterator[Finding]:
    """Listed certificates are listed by the digest that is computed."""
    for scope in servers(host):
        for table in _listed(host, scope):
            yield from _misfits(scope, "smtpd_tls_fingerprint_digest", table.path, tuple(table.entries))
    for scope in clients(host):
        level, table_, words, *_ = policy(scope)
        keys = scope.conf.value("smtp_tls_fingerprint_cert_match").replace("|", " ").split()
        path = scope.file("smtp_tls_fingerprint_cert_match")
        if table_ and (given := [word for word in words if word.startswith("match=")]):
            keys, path = given[0].removeprefix("match=").split("|"), table_.path
        if level == "fingerprint" and not keys:
            reason = "compares fingerprints with the relay's certificate, and has none, so no mail leaves"
            name = "smtp_tls_security_level"
            cure = secured(scope, table_) if table_ else scope.cure(name, "secure")
            yield MTA113.found(path, reason, cure)
        if level == "fingerprint":
            yield from _misfits(scope, "smtp_tls_fingerprint_digest", path, tuple(keys))


def _listed(host: Host, scope: Scope) -> Iterator[Table]:
    """Yield the tables of certificates that a service asks."""
    if effect.LISTED in _certificates(scope):
        yield from tables_of(host, scope.conf, "relay_clientcerts")
    for rule in (rule for name in effect.LISTS for rule in effect.rules(scope.conf, name)):
        if rule.name == effect.BY_TABLE and (
            found := table_of(host, scope.conf, rule.argument, "postfix-hub")
        ):
            yield found


def _misfits(scope: Scope, name: str, path: str, keys: tuple[str, ...]) -> Iterator[Finding]:
    used = effect.digest(scope.conf, name)
    wrong = effect.misfits(keys, used)
    if not wrong:
        return
    meant = next(iter(wrong.values()))
    reason = f"lists {len(wrong)} of {len(keys)} keys that are no {used} ({name}): {next(iter(wrong))}"
    if meant and len(wrong) == len(keys):
        yield MTA113.found(path, reason, scope.cure(name, meant))
    else:
        yield MTA113.found(path, reason, f"write digests of {used}, with a colon between two digits")


MTA114 = Code.error(
    "MTA114",
    "a filter of mechanisms, or security options, that leave Postfix no mechanism as a client or as a server",
)
MTA115 = Code.warning(
    "MTA115",
    "a filter of mechanisms with words that are not names of mechanisms; it is DIGEST-MD5, not digestmd5",
)


def mechanisms(host: Host) -> Iterator[Finding]:
    """What is filtered leaves a mechanism, and names mechanisms."""
    for scope in logins(host):
        yield from _nothing_left(scope, "smtpd", _offered(host, scope.conf), "every session ends")
    for scope in clients(host):
        yield from _nothing_left(scope, "smtp", BY_PASSWORD, "it can't log in")
    for scope, role in (*((s, "smtpd") for s in logins(host)), *((s, "smtp") for s in clients(host))):
        name = f"{role}_sasl_mechanism_filter"
        wrong = sasl.misnamed(_filters(scope, role))
        if wrong:
            reason = f"says {scope.said(name)}, in which {', '.join(wrong)} name no mechanism"
            yield MTA115.found(scope.file(name), reason, scope.cure(name, _corrected(scope, role)))


def _nothing_left(scope: Scope, role: str, known: tuple[str, ...], effect_: str) -> Iterator[Finding]:
    """Blame the filter where the options alone leave something."""
    for options in _options(scope, role):
        filters, words = _filters(scope, role), scope.conf.words(options)
        if not known or sasl.left(known, filters, words):
            continue
        name, value = options, "noanonymous"
        if usable := sasl.left(known, (), words):
            name, value = f"{role}_sasl_mechanism_filter", _corrected(scope, role)
            if not sasl.left(known, main_cf.words(value), words):
                value = ", ".join(map(str.lower, usable))
        reason = f"says {scope.said(name)}, so no mechanism is left and {effect_}"
        yield MTA114.found(scope.file(name), reason, scope.cure(name, value))


def _corrected(scope: Scope, role: str) -> str:
    filters = _filters(scope, role)
    wrong = sasl.misnamed(filters)
    found = (word if word not in wrong else wrong[word].lower() for word in filters)
    return ", ".join(filter(None, found))


def _filters(scope: Scope, role: str) -> tuple[str, ...]:
    return words_of(scope.conf.value(f"{role}_sasl_mechanism_filter"))


def _options(scope: Scope, role: str) -> tuple[str, ...]:
    """Return the names of the options that hold; those outside TLS, too, where a server asks there."""
    level = scope.level if role == "smtpd" else scope.conf.value("smtp_tls_security_level")
    in_tls = level not in {"", "none"} or scope.conf.is_on(f"{role}_tls_wrappermode")
    waits = scope.conf.is_on("smtpd_tls_auth_only") or level == "encrypt"
    outside = not in_tls or (role == "smtpd" and not waits and not scope.conf.is_on("smtpd_tls_wrappermode"))
    inside = _options_inside(scope, role, level) if in_tls else ()
    return (*inside, *((f"{role}_sasl_security_options",) if outside else ()))


def _options_inside(scope: Scope, role: str, level: str) -> tuple[str, ...]:
    """Return the names of the options inside TLS; a client has others for a server that it verified."""
    usual, verified = f"{role}_sasl_tls_security_options", "smtp_sasl_tls_verified_security_options"
    if role == "smtpd" or verified not in scope.conf.settings:
        return (usual,)
    if level in {"verify", "secure", "fingerprint", "dane-only"}:
        return (verified,)
    return (usual, verified) if scope.conf.value("smtp_tls_policy_maps") else (usual,)


MTA117 = Code.error(
    "MTA117",
    "Postfix can't check accounts: an unknown smtpd_sasl_type, no socket, no file of Cyrus SASL, or "
    "another smtpd_sasl_service, which DIGEST-MD5 refuses",
)


def backend(host: Host) -> Iterator[Finding]:
    """What checks accounts is there."""
    for scope in logins(host):
        conf, kind = scope.conf, scope.conf.value("smtpd_sasl_type")
        socket = conf.value("smtpd_sasl_path").removeprefix("unix:")
        if kind not in {"cyrus", "dovecot"}:
            reason = f"says {scope.said('smtpd_sasl_type')}, which Postfix does not know; every session ends"
            yield MTA117.found(scope.file("smtpd_sasl_type"), reason, scope.cure("smtpd_sasl_type", "cyrus"))
        elif kind == "cyrus" and (why := _unread(host, socket)):
            yield MTA117.found(scope.file("smtpd_sasl_path"), why, scope.cure("smtpd_sasl_path", "smtpd"))
        elif kind == "cyrus" and (scope.conf.value(service := "smtpd_sasl_service") or "smtp") != "smtp":
            reason = f"says {scope.said(service)}, so who logs in to smtp by DIGEST-MD5 is refused"
            yield MTA117.found(scope.file(service), reason, scope.cure(service, "smtp"))
        elif kind == "dovecot" and not socket.startswith("inet:"):
            queue = conf.value("queue_directory")
            wanted = socket if socket.startswith("/") else f"{queue}/{socket}"
            listeners = host.dovecot.listeners if host.dovecot else ()
            if wanted not in listeners and not os.path.exists(host.path(wanted)):
                reason = f"says smtpd_sasl_path={socket}, and Dovecot does not listen on {wanted}"
                yield MTA117.found(scope.file("smtpd_sasl_path"), reason, _by_others(scope))


def _unread(host: Host, name: str) -> str:
    """Say that Cyrus SASL reads another file than the one that is there (observed)."""
    there = any(map(os.path.exists, smtpd_confs(host, "smtpd")))
    if not there or name == "smtpd" or any(map(os.path.exists, smtpd_confs(host, name))):
        return ""
    return f"says smtpd_sasl_path={name}, so Cyrus SASL reads {name}.conf, which is not there, not smtpd.conf"


def _by_others(scope: Scope) -> str:
    """Return how Dovecot comes to listen, or Cyrus SASL to check, where there is no Dovecot."""
    if scope.host.dovecot:
        return "smtpcreds mta apply dovecot-hub --edit --run"
    return f"{scope.setting('smtpd_sasl_path', 'smtpd')} && {scope.cure('smtpd_sasl_type', 'cyrus')}"


MTA118 = Code.warning(
    "MTA118",
    "a table of Postfix that is older than its source, or missing; it has no effect, or mail is deferred",
)
_OF_TABLES = (
    *("smtp_sasl_password_maps", "smtp_tls_policy_maps", "relay_clientcerts"),
    *("smtpd_sender_login_maps", "smtpd_discard_ehlo_keyword_address_maps", "tls_server_sni_maps"),
)


def tables(host: Host) -> Iterator[Finding]:
    """Each table is there, and newer than its source."""
    named = [
        (table, _apart(scope, name, table))
        for scope in _scopes(host)
        for name in _OF_TABLES
        for table in tables_of(host, scope.conf, name)
    ]
    named += [(table, "") for scope in servers(host) for table in _asked(scope)]
    for table, apart in {table.path: (table, apart) for table, apart in named if table.path}.values():
        made = table.path + BY_FILE.get(table.kind, "")
        if is_missing(table):
            reason, cure = "is missing, and main.cf names it", apart
        elif not os.path.exists(made):
            reason, cure = f"has no {made}", f"postmap {quote(f'{table.kind}:{table.path}')}"
        elif os.path.exists(table.path) and os.stat(table.path).st_mtime > os.stat(made).st_mtime:
            reason, cure = f"is newer than {made}", f"postmap {quote(f'{table.kind}:{table.path}')}"
        else:
            continue
        yield MTA118.found(table.path, reason, cure)


_OURS = frozenset({"smtp_sasl_password_maps", "relay_clientcerts"})


def _apart(scope: Scope, name: str, table: Table) -> str:
    """Return how a table comes back that is ours, or how a parameter does without another one."""
    if name in _OURS:
        return f"smtpcreds mta check {table.owner}"
    host_path = table.path.removeprefix(scope.host.top.rstrip("/"))
    words = (word for word in words_of(scope.conf.value(name)) if not word.endswith(f":{host_path}"))
    return scope.cure(name, ", ".join(words))


def _asked(scope: Scope) -> Iterator[Table]:
    """Yield the tables of the restrictions that a service has."""
    for rule in (rule for name in effect.LISTS for rule in effect.rules(scope.conf, name)):
        word = rule.argument if rule.name.startswith("check_") else ""
        found = table_of(scope.host, scope.conf, word, "postfix-hub") if ":" in word else None
        if found and not is_missing(found):
            yield found


def _scopes(host: Host) -> tuple[Scope, ...]:
    return (*servers(host), *senders(host))


MTA122 = Code.error(
    "MTA122",
    "TLS without STARTTLS on a port where the other side expects STARTTLS, or the reverse; both wait",
)


def wrapped(host: Host) -> Iterator[Finding]:
    """TLS from the first octet is spoken at port 465, and nowhere else."""
    for scope in servers(host):
        yield from _wrapped(scope, "smtpd_tls_wrappermode", scope.port)
    for scope in senders(host):
        if relay := scope.conf.value("relayhost"):
            yield from _wrapped(scope, "smtp_tls_wrappermode", port_of(relay))


def _wrapped(scope: Scope, name: str, port: str) -> Iterator[Finding]:
    is_on = scope.conf.is_on(name)
    if (is_on and port in {"25", "587"}) or (not is_on and port == _IMPLICIT):
        reason = f"has {name}={'yes' if is_on else 'no'} at port {port}, where the other side "
        reason += "begins in clear" if is_on else "begins with TLS"
        yield MTA122.found(scope.file(name), reason, scope.cure(name, "no" if is_on else "yes"))


MTA123 = Code.error(
    "MTA123", "a choice of TLS versions that Postfix can't read, or that leaves neither TLS 1.2 nor 1.3"
)


def protocols(host: Host) -> Iterator[Finding]:
    """What OpenSSL speaks today is not excluded."""
    wanted = [(s, "smtpd", s.level) for s in servers(host)]
    wanted += [(s, "smtp", s.conf.value("smtp_tls_security_level")) for s in clients(host)]
    for scope, role, level in wanted:
        name = f"{role}_tls_mandatory_protocols" if level in ENCRYPTING else f"{role}_tls_protocols"
        value = scope.conf.value(name)
        wrong = effect.misnamed_versions(value)
        if level not in {"", "none"} and (wrong or not effect.versions(value)):
            reason = f"says {scope.said(name)}, which leaves neither TLSv1.2 nor TLSv1.3"
            if wrong:
                reason = f"says {scope.said(name)}, and {wrong[0]} is no version of TLS, so no TLS begins"
            yield MTA123.found(scope.file(name), reason, scope.cure(name, ">=TLSv1.2"))
