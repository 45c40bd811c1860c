"""MTA: settings of Postfix that keep it from logging in to a relay, or from knowing that it is the relay."""

import os
import re
from collections.abc import Iterator

from ..model import Finding
from ..shell import quote
from .finding import Code
from .host import Host
from .postfix_lookups import answer, answers
from .postfix_policy import policy
from .postfix_scopes import (
    BY_FILE,
    RELOAD,
    VERIFYING,
    Scope,
    Table,
    clients,
    keywords_hidden,
    port_of,
    senders,
    tables_of,
    without_hidden,
    words_of,
)
from .rewriting import written

MTA103 = Code.error("MTA103", "Postfix sends passwords to a relay whose certificate it does not verify")
MTA105 = Code.error(
    "MTA105",
    "no key of smtp_sasl_password_maps is the relayhost as it is written; mail goes unauthenticated, and "
    "nothing is logged",
)


def client(host: Host) -> Iterator[Finding]:
    """Passwords go to relays whose certificate was verified, and under the key that is looked up."""
    for scope in clients(host):
        name, relay = "smtp_tls_security_level", scope.conf.value("relayhost")
        level, table, _, parameter, map_ = policy(scope)
        if table and level not in VERIFYING:
            reason = f"says {level} for {relay}, so the password goes to whoever answers"
            yield MTA103.found(table.path, reason, secured(scope, table))
        elif not level:
            pass  # MTA141
        elif level not in VERIFYING and parameter:
            reason = f"says {level} for {relay} by {map_}, so the password goes to whoever answers"
            others = (word for word in words_of(scope.conf.value(parameter)) if word != map_)
            yield MTA103.found(scope.file(parameter), reason, scope.cure(parameter, ", ".join(others)))
        elif level not in VERIFYING:
            reason = f"has {scope.said(name) if level != 'none' else f'{name}=none'}"
            cure = scope.cure(name, "secure")
            yield MTA103.found(scope.file(name), f"{reason}, so the password goes to whoever answers", cure)
        for found in tables_of(host, scope.conf, "smtp_sasl_password_maps"):
            if (
                relay
                and os.path.exists(found.path)
                and not _looked_up(relay) & {*map(str.lower, found.entries)}
            ):
                reason = f"has no key {relay}, so Postfix does not log in there"
                cure = written(host, found.path, _keyed(found, relay))
                yield MTA105.found(found.path, reason, cure)


def _keyed(table: Table, relay: str) -> str:
    """Return how the table comes to have the key; an entry of the same host under another port gets it."""
    host = relay.strip("[]").partition("]")[0].partition(":")[0].lower()
    for key in table.entries:
        if key.strip("[]").partition("]")[0].partition(":")[0].lower() == host:
            edit = quote(f"s/^{_literal(key)}\\([[:space:]]\\)/{_literal(relay)}\\1/")
            made = "" if table.kind == "texthash" else f"postmap {quote(table.path)} && "
            return f"sed -i {edit} {quote(table.path)} && {made}{RELOAD}"
    return f"write {relay} as the key in {table.path}, then: postmap {quote(table.path)} && {RELOAD}"


def _literal(text: str) -> str:
    """Return a text as sed takes it word for word."""
    return re.sub(r"([][/.*^$\\&])", r"\\\1", text)


def secured(scope: Scope, table: Table) -> str:
    """Return how the line of the relay in a policy table comes to verify its name."""
    relay, path = scope.conf.value("relayhost"), quote(table.path)
    lines = (scope.host.content(table.path) or b"").decode(errors="replace").splitlines()
    at = next(
        n for n, line in enumerate(lines, 1) if line.split()[:1] and line.split()[0].lower() == relay.lower()
    )
    name = relay.strip("[").partition("]")[0].partition(":")[0]
    edit = f"sed -i {quote(f'{at}c {relay} secure match={name}')} {path}"
    return f"{edit} && {_postmap(table)}{RELOAD}"


def _postmap(table: Table) -> str:
    made = BY_FILE.get(table.kind, "")
    return f"postmap {quote(f'{table.kind}:{table.path}')} && " if made else ""


def _looked_up(relay: str) -> set[str]:
    """Return the keys for a relayhost: as it is written, or the bare name of the server (observed)."""
    host = relay.rpartition("]")[0].lstrip("[") if "]" in relay else relay.partition(":")[0]
    return {relay.lower(), host.lower()}


MTA119 = Code.error(
    "MTA119",
    "Postfix has credentials for a relay, and never logs in, or never uses its AUTH and STARTTLS",
)


def logs_in(host: Host) -> Iterator[Finding]:
    """Where there are credentials, they are used."""
    for scope in senders(host):
        conf = scope.conf
        if not conf.value("smtp_sasl_password_maps") or not conf.value("relayhost"):
            continue
        if not conf.is_on("smtp_sasl_auth_enable"):
            name = "smtp_sasl_auth_enable"
            reason = f"has smtp_sasl_password_maps and {scope.said(name)}, so it never logs in"
            yield MTA119.found(scope.file(name), reason, scope.cure(name, "yes"))
        if conf.is_on("smtp_never_send_ehlo"):
            name = "smtp_never_send_ehlo"
            reason = f"says {scope.said(name)}, so it sees neither AUTH nor STARTTLS of the relay"
            yield MTA119.found(scope.file(name), reason, scope.cure(name, "no"))
        name = "smtp_discard_ehlo_keywords"
        if hidden := keywords_hidden(scope, name):
            reason = f"says {scope.said(name)}, so it never sees {hidden} of the relay"
            yield MTA119.found(scope.file(name), reason, scope.cure(name, without_hidden(scope, name)))
        yield from _by_sender(scope)
        yield from _unseen(scope)


def _unseen(scope: Scope) -> Iterator[Finding]:
    """Yield what keeps it from seeing what the relay offers, and from having mechanisms at all."""
    conf, name = scope.conf, "smtp_discard_ehlo_keyword_address_maps"
    hiding = (said for word in words_of(conf.value(name)) for said in answers(scope, word))
    if any({"auth", "starttls"} & {*said.lower().replace(",", " ").split()} for said in hiding):
        reason = f"says {scope.said(name)}, so it does not see AUTH or STARTTLS of some relays"
        yield MTA119.found(scope.file(name), reason, scope.cure(name, ""))
    name = "smtp_reply_filter"
    replies = ((word, reply) for word in words_of(conf.value(name)) for reply in _REPLIES)
    if any(answer(scope, word, (reply,)) not in {"", reply} for word, reply in replies):
        reason = f"says {scope.said(name)}, so it does not see AUTH or STARTTLS of the relay"
        yield MTA119.found(scope.file(name), reason, scope.cure(name, ""))
    name = "smtp_dns_reply_filter"
    if any(_drops_addresses(scope, word) for word in words_of(conf.value(name))):
        reason = f"says {scope.said(name)}, so it finds no address of the relay"
        yield MTA119.found(scope.file(name), reason, scope.cure(name, ""))
    name = "smtp_sasl_type"
    if conf.value(name) not in {"", "cyrus"}:
        reason = f"says {scope.said(name)}, which it does not know as a client, so no mail leaves"
        yield MTA119.found(scope.file(name), reason, scope.cure(name, "cyrus"))


def _drops_addresses(scope: Scope, word: str) -> bool:
    """Tell whether a filter of answers of the DNS takes all addresses of the relay away."""
    relay = scope.conf.value("relayhost").strip("[").partition("]")[0].partition(":")[0]
    said = (answer(scope, word, (f"{relay}. 3600 IN {record}",)).upper() for record in _ADDRESSES)
    return all(one.startswith("IGNORE") for one in said)


_ADDRESSES = ("A 192.0.2.10", "AAAA 2001:db8::10")
"""As the filter is asked, behind the relay's name."""
_REPLIES = ("250-STARTTLS", "250-AUTH PLAIN LOGIN", "250-AUTH SCRAM-SHA-256 DIGEST-MD5 CRAM-MD5")


def _by_sender(scope: Scope) -> Iterator[Finding]:
    name = "smtp_sender_dependent_authentication"
    if scope.conf.is_on(name):
        return
    for table in tables_of(scope.host, scope.conf, "smtp_sasl_password_maps"):
        if senders_ := [key for key in table.entries if "@" in key.strip("@")]:
            reason = f"has credentials for the sender {senders_[0]}, which {name}=no never asks for"
            yield MTA119.found(table.path, reason, scope.cure(name, "yes"))


MTA121 = Code.error(
    "MTA121",
    "Postfix is to verify the relay's certificate, and can't: it knows no CA, or the relay is an address; no "
    "mail leaves",
)


def verifies(host: Host) -> Iterator[Finding]:
    """Who verifies knows a CA, and a name to compare."""
    for scope in clients(host):
        conf, (level, _, said, *_) = scope.conf, policy(scope)
        knows_ca = conf.value("smtp_tls_CAfile") or conf.value("smtp_tls_CApath")
        is_known = (
            knows_ca
            or conf.is_on("tls_append_default_CA")
            or any(word.startswith("tafile=") for word in said)
        )
        if level in {"verify", "secure"} and not is_known:
            bundle = f"{host.site.settings.cert.directory}/cacert.pem"
            reason = f"has smtp_tls_security_level={level} and no smtp_tls_CAfile, so no relay is trusted"
            yield MTA121.found(scope.file("smtp_tls_CAfile"), reason, scope.cure("smtp_tls_CAfile", bundle))
        path = conf.value("smtp_tls_CAfile")
        if path.startswith("/") and not os.path.exists(host.path(path)):
            bundle = f"{host.site.settings.cert.directory}/cacert.pem"
            reason = f"says smtp_tls_CAfile={path}, which is not there, so no TLS begins"
            yield MTA121.found(scope.file("smtp_tls_CAfile"), reason, scope.cure("smtp_tls_CAfile", bundle))
        name = "smtp_tls_trust_anchor_file"
        for path in words_of(conf.value(name)):
            if path.startswith("/") and not os.path.exists(host.path(path)):
                reason = f"says {scope.said(name)}, and there is no {path}, so no relay is trusted"
                yield MTA121.found(scope.file(name), reason, scope.cure(name, ""))
        name = conf.value("relayhost").strip("[").partition("]")[0]
        if level in {"verify", "secure"} and not said and _is_address(name):
            hub = host.hub_of("postfix-client") or "NAME"
            reason = f"has the address {name} as relayhost, and compares names alone; no mail leaves"
            cure = scope.cure("relayhost", f"[{hub}]:{port_of(conf.value('relayhost'))}")
            yield MTA121.found(scope.file("relayhost"), reason, cure)


def _is_address(name: str) -> bool:
    return name.replace(".", "").isdecimal() or name.lower().startswith("ipv6:")
