"""Exim as the hub: STARTTLS and AUTH, relaying for who authenticated or shows a certificate.

Debian's lists accept who authenticated by any authenticator, so ours are all that is trusted; another one is
the administrator's own. None of ours is offered outside TLS.
"""

from collections.abc import Mapping
from dataclasses import replace

from ..errors import DamagedFileError, UsageError
from ..lazy import pattern
from ..secret import Secret
from ..systems import DEBIAN
from . import exim, sasl_conf, saslauthd
from .exim import Fragment, Options
from .program import Facts, File, Need, Reader, Rendered, Role, Work
from .sasl_conf import EXTERNAL, GSSAPI

NAME = "exim-hub"
TITLE = "Exim 4.92 or later with Cyrus SASL or Dovecot, relaying for client hosts"
ROLE = Role.HUB
FAMILY = "exim"
NEEDS = frozenset({Need.MATERIAL, Need.CLIENTS, Need.BACKEND, Need.MECHANISMS})
DOVECOT = "dovecot"
"""Dovecot checks the accounts, not Cyrus SASL."""
VARIANTS = exim.STYLES | {DOVECOT}
MECHANISMS: tuple[str, ...] = (GSSAPI, *sasl_conf.STRONGEST_FIRST)
SECRET_FILES: tuple[str, ...] = ()

SASL_CONF = sasl_conf.PROGRAMS["exim"].conf
CLIENTS = f"{exim.DIRECTORY}/clients"
REPLACED = f"{exim.DIRECTORY}/replaced"
SOCKET = f"{DEBIAN.exim_spool}/dovecot.auth-client"
"""That Debian's examples name for Dovecot."""

_NAMES = "${certextract{subj_altname,dns,>:}{$tls_in_peercert}}"
_FINGERPRINT = "${lc:${sha256:$tls_in_peercert}}"
_LISTED = f"${{lookup{{{_FINGERPRINT}}}lsearch{{{CLIENTS}}}{{yes}}{{no}}}}"
"""By the certificate itself: a name would let in every key that it ever had."""
_CURRENT = f"${{lookup{{{_FINGERPRINT}}}lsearch{{{REPLACED}}}{{no}}{{yes}}}}"
_IN_TLS = "${if def:tls_in_cipher}"
_VERIFIED = "${if bool{$tls_in_certificate_verified}}"
"""Without it, Exim 4.96 dies of a client that has no certificate (observed)."""

_IS_NAMED = "{!eq{$auth2}{}}{or{{eq{$auth1}{}}{inlisti{$auth1}{$auth2}}}}"
_HEAD = "# certificates that relay, by SHA-256; written by smtpcreds, do not edit\n"
_HEAD_OF_REPLACED = "# certificates of replaced keys, by SHA-256; written by smtpcreds, do not edit\n"
_CLIENT = pattern(r"([0-9a-f]{64}): ([a-z0-9.-]+)")


def render(facts: Facts) -> tuple[Rendered, ...]:
    """Return copies of key and certificates, where the accounts are, the fragments, and who may relay."""
    exim.check_style(facts)
    accounts = () if DOVECOT in facts.variants else (_sasl_conf(facts),)
    fragments = exim.render(TITLE, ROLE, facts, _fragments(facts))
    return (
        exim.COPIES.key_file(facts),
        *exim.COPIES.public_files(facts),
        *accounts,
        File(CLIENTS, (_clients(facts),)),
        File(REPLACED, (_replaced(facts),)),
        *fragments,
    )


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read one of the files."""
    if path == SASL_CONF:
        return sasl_conf.shown(sasl_conf.parse(content, path))
    return _parse_clients(path, content) if path in {CLIENTS, REPLACED} else exim.parse(path, content)


def work(facts: Facts) -> Work:
    """Return the lines to add, the commands, and that Exim must be able to read the accounts."""
    main, by_certificate, authenticators = _fragments(facts)
    wanted = (main, by_certificate, authenticators) if facts.clients else (main, authenticators)
    made = exim.work(ROLE, facts, wanted)
    if DOVECOT in facts.variants:
        return made
    database = sasl_conf.database_of(facts.backend)
    accounts = (database.path,) if isinstance(database, sasl_conf.Sasldb) else ()
    files = (Reader(path, exim.USER) for path in (*accounts, facts.keytab) if path)
    return replace(made, readers=(*files, *saslauthd.sockets(facts.backend, exim.USER, facts)))


def _fragments(facts: Facts) -> tuple[Fragment, Fragment, Fragment]:
    """Return all, also where nobody may relay by certificate: what was included once follows."""
    return (
        Fragment(exim.MAIN, {"": _main(facts)}),
        Fragment(exim.ACL, {"": {"accept verify": "certificate", "condition": _LISTED}}),
        Fragment(exim.AUTHENTICATORS, dict(_authenticator(name, facts) for name in facts.mechanisms)),
    )


def _main(facts: Facts) -> Options:
    """Return TLS options; Debian's files set most of them from macros, and none may be set twice."""
    files = {
        "tls_certificate": exim.COPIES.certificate,
        "tls_privatekey": exim.COPIES.key,
        "tls_verify_certificates": exim.COPIES.bundle,
        "tls_try_verify_hosts": "*",
    }
    crl = exim.COPIES.crl_setting(facts, "tls_crl")
    if exim.HAND_WRITTEN in facts.variants:
        return {"tls_advertise_hosts": "*", **files, **crl}
    macros = {f"MAIN_{name.upper()}": value for name, value in files.items()}
    return {"MAIN_TLS_ENABLE": "yes", **macros, **crl}


def _authenticator(mechanism: str, facts: Facts) -> tuple[str, Options]:
    """Return name and options.

    EXTERNAL takes no certificate of a replaced key. The identity that comes with it must be a name of the
    certificate, or empty for its first name.
    """
    name = exim.driver_name(mechanism)
    if mechanism == EXTERNAL:
        return name, {
            "driver": "external",
            "public_name": EXTERNAL,
            "server_advertise_condition": _VERIFIED,
            "server_param2": _NAMES,
            "server_condition": f"${{if and{{{{bool{{{_CURRENT}}}}}{_IS_NAMED}}}}}",
            "server_set_id": "${if eq{$auth1}{}{${extract{1}{:}{$auth2}}}{$auth1}}",
        }
    driver = (
        {"driver": "dovecot", "server_socket": SOCKET}
        if DOVECOT in facts.variants
        else {"driver": "cyrus_sasl", "server_realm": exim.word(facts.realm)}
    )
    return name, {
        **driver,
        "public_name": mechanism,
        "server_advertise_condition": _IN_TLS,
        "server_set_id": "$auth1",
    }


def _sasl_conf(facts: Facts) -> File:
    if facts.backend is None:
        raise UsageError(NAME, "needs to know where the accounts are")
    content = sasl_conf.pieces(facts.backend, facts.mechanisms, facts.keytab)
    return File(SASL_CONF, content) if len(content) == 1 else File(SASL_CONF, content, 0o640, group=exim.USER)


def _clients(facts: Facts) -> bytes:
    """Return the certificates that may relay, for lsearch."""
    lines = (f"{client.fingerprint}: {exim.word(client.host)}\n" for client in facts.clients)
    return "".join((_HEAD, *lines)).encode()


def _replaced(facts: Facts) -> bytes:
    """Return the certificates that EXTERNAL must not take any more, for lsearch."""
    return "".join((_HEAD_OF_REPLACED, *(f"{each}: replaced\n" for each in facts.replaced))).encode()


def _parse_clients(path: str, content: bytes) -> Mapping[str, str | Secret]:
    found: dict[str, str | Secret] = {}
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        if line.startswith("#"):
            continue
        client = _CLIENT.fullmatch(line)
        if not client:
            raise DamagedFileError(path, f"line {number} is not 'fingerprint: host'")
        found[client[1]] = client[2]
    return found
