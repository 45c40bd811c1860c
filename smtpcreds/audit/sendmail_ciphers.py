"""MTA: lists of ciphers, and an engine, that leave Sendmail no TLS.

Source: op.me of sendmail 8.17 (CipherList, ServerSSLOptions, SSLEngine, ruleset tls_srv_features); what each
does was seen with 8.17.1 and OpenSSL 3.0.
"""

from collections.abc import Iterator

from ..lazy import pattern
from ..model import Finding
from ..mta import sendmail
from ..mta.sendmail_cf import SendmailCf
from ..mta.sendmail_tls import lacks_version
from ..pki.keys import key_label
from ..pki.profiles import Purpose
from ..smtp import ciphers
from .finding import Code
from .host import SENDMAIL_CF, Host
from .sendmail_peers import has_rules
from .sendmail_switches import dropped, entries, removed
from .uses import CertificateUse

_EVERY_KIND = frozenset({"RSA", "EC"})
_LEVEL = pattern(r"@SECLEVEL=([345])")
_DEMANDED = {3: 128, 4: 192, 5: 256}
"""Bits of security; a curve has half of what it is called by, and RSA 128 with 3072 (SP 800-57 part 1)."""
_BITS = {"P-256": 128, "P-384": 192, "P-521": 256, "Ed25519": 128, "RSA 3072": 128, "RSA 4096": 128}
_LIST = pattern(r"(?i)\bCipherList\s*=\s*([^;]*)")

MTA033 = Code.error(
    "MTA033",
    "a list of ciphers that leaves none of TLS 1.2 for Sendmail's key, while TLS 1.3 is off, or demands "
    "larger keys than there are, by @SECLEVEL (confCIPHER_LIST, TLS_Srv_Features, TLS_Clt_Features)",
)


def lists(host: Host) -> Iterator[Finding]:
    """Where TLS 1.3 is off, a cipher is left that others have, too."""
    cf = host.sendmail
    if cf is None:
        return
    wanted = cf.option("CipherList")
    for role, tag in (("Server", "tls_srv_features"), ("Client", "tls_clt_features")):
        options, usable = cf.option(f"{role}SSLOptions"), _kinds(host, role)
        if wanted and lacks_version(options, 3) and not ciphers.keys_served(wanted) & usable:
            reason = f"has CipherList={wanted} and {role}SSLOptions without TLSv1.3, so no handshake succeeds"
            cure = removed(host, "confCIPHER_LIST", "confCIPHER_LIST")
            yield MTA033.found(host.path(SENDMAIL_CF), reason, cure)
        yield from _of_peers(host, cf, tag, options, usable)


def level(host: Host) -> Iterator[Finding]:
    """It demands no larger keys than ours, also for TLS 1.3 (SSL_CTX_set_security_level(3))."""
    wanted = host.sendmail.option("CipherList") if host.sendmail else ""
    found = _LEVEL.search(wanted)
    if not found:
        return
    labels = [label for use in host.uses if use.program == "sendmail" for label in _labels(host, use)]
    if small := sorted({label for label in labels if _BITS.get(label, 0) < _DEMANDED[int(found[1])]}):
        reason = f"has CipherList={wanted}, whose level takes no {small[0]} key, so no handshake succeeds"
        cure = removed(host, "confCIPHER_LIST", "confCIPHER_LIST")
        yield MTA033.found(host.path(SENDMAIL_CF), reason, cure)


def _labels(host: Host, use: CertificateUse) -> Iterator[str]:
    for path in use.certificates:
        for held in host.certificates_in(host.path(path))[:1]:
            yield key_label(held.public_key())


def _of_peers(
    host: Host, cf: SendmailCf, tag: str, options: str, usable: frozenset[str]
) -> Iterator[Finding]:
    """Yield the lines of the access map that leave some host none; without a subject none is looked up."""
    for number, subject, value in entries(host, tag) if has_rules(cf, tag) else ():
        given = _LIST.search(value)
        is_limited = lacks_version(options, 3) or lacks_version(value.upper(), 3)
        if subject and given and is_limited and not ciphers.keys_served(given[1].strip()) & usable:
            reason = f"line {number} leaves {subject} no cipher, by CipherList={given[1].strip()}"
            yield MTA033.found(host.path(sendmail.ACCESS), reason, dropped(host, number))


def _kinds(host: Host, role: str) -> frozenset[str]:
    """Return the kinds of key that serve: those of our certificates; any, where they are the relay's."""
    if role == "Client":
        return _EVERY_KIND
    files = [
        host.path(path)
        for use in host.uses
        if use.program == "sendmail" and use.role is Purpose.SERVER
        for path in use.certificates
    ]
    labels = [key_label(held[0].public_key()) for path in files if (held := host.certificates_in(path))]
    return frozenset("RSA" if label.startswith("RSA") else "EC" for label in labels) or _EVERY_KIND


MTA038 = Code.error(
    "MTA038",
    "an engine of OpenSSL that Sendmail is to use (confSSL_ENGINE), with which no TLS handshake succeeds",
)


def engine(host: Host) -> Iterator[Finding]:
    """No engine is named: of those that OpenSSL 3 has, none lets a handshake succeed."""
    if name := host.sendmail.option("SSLEngine") if host.sendmail else "":
        reason = f"has SSLEngine={name}, with which no handshake succeeds"
        yield MTA038.found(host.path(SENDMAIL_CF), reason, removed(host, "confSSL_ENGINE", "confSSL_ENGINE"))
