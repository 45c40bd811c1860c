"""Postfix as the hub: STARTTLS and AUTH, relaying for who authenticated or shows a listed certificate.

Debian's smtpd runs in a chroot, in which it opens sasldb2 (the configuration and the certificates it reads
before). So it gets a copy there; see :class:`~smtpcreds.mta.program.Copy`.
"""

from collections.abc import Mapping

from ..errors import InexpressibleError, UsageError
from ..names import BY_PASSWORD
from ..secret import Secret
from ..shell import quote
from ..systems import DEBIAN
from . import postfix, sasl_conf, saslauthd
from .postfix import Table
from .program import Copy, Facts, File, Need, Reader, Rendered, Role, Work
from .sasl_conf import EXTERNAL, GSSAPI, Sasldb, Sql, database_of, moved

NAME = "postfix-hub"
TITLE = "Postfix 3.4 or later with Cyrus SASL, or Dovecot's, relaying for client hosts"
ROLE = Role.HUB
FAMILY = "postfix"
NEEDS = frozenset({Need.PAIR, Need.CLIENTS, Need.BACKEND, Need.MECHANISMS})
UNCHROOTED = "unchrooted"
"""smtpd outside the chroot, which reads the account database itself."""
DOVECOT = "dovecot"
"""Accounts are Dovecot's, asked through its socket."""
VARIANTS = frozenset({UNCHROOTED, DOVECOT, *postfix.KINDS})
MECHANISMS: tuple[str, ...] = (GSSAPI, *BY_PASSWORD)
SECRET_FILES: tuple[str, ...] = ()

FRAGMENT = f"{postfix.DIRECTORY}/hub.cf"
CLIENTS = f"{postfix.DIRECTORY}/relay_clientcerts"
SASL_CONF = sasl_conf.PROGRAMS["postfix"].conf
SASLDB = f"{DEBIAN.postfix_directory}/sasldb2"
"""Inside the chroot; not the name of a file outside, with which ``postfix check`` would compare it."""
DOVECOT_SOCKET = "private/auth"
"""Below the queue directory, in the chroot or not."""


def render(facts: Facts) -> tuple[Rendered, ...]:
    """Return smtpd.conf, the table of client certificates, and the settings."""
    if EXTERNAL in facts.mechanisms:
        hint = "leave it out; hosts may relay by certificate: --relay-host HOST"
        raise InexpressibleError(EXTERNAL, "is never offered by Postfix", hint)
    if facts.keytab and UNCHROOTED not in facts.variants:
        reason = "can't be read by smtpd in its chroot, where Kerberos finds no place for its cache either"
        raise InexpressibleError(f"--keytab {facts.keytab}", reason, f"--with {UNCHROOTED}")
    conf = () if DOVECOT in facts.variants else (_sasl_conf(facts),)
    fragment = File(FRAGMENT, (postfix.render(TITLE, FRAGMENT, _settings(facts)),))
    return (*conf, *_clients(facts).files, fragment)


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read one of the files."""
    if path == SASL_CONF:
        return sasl_conf.shown(sasl_conf.parse(content, path))
    if path == CLIENTS:
        return {
            key: value.decode(errors="replace") for key, value in postfix.parse_table(content, path).items()
        }
    return dict(postfix.parse(content, path))


def work(facts: Facts) -> Work:
    """Return the lines for main.cf, the commands, and the copy of the accounts."""
    table = _clients(facts)
    database = _database(facts)
    chroot = postfix.chroot("n" if UNCHROOTED in facts.variants else "y", facts.main_cf)
    is_told = isinstance(database_of(database), Sasldb) or UNCHROOTED in facts.variants
    return Work(
        (postfix.include(FRAGMENT, _settings(facts)),),
        table.compiled,
        (*table.commands, *_leave_chroot(facts), postfix.RELOAD),
        (postfix.reachable(), postfix.delivering(), *([chroot] if is_told else ())),
        (Copy(postfix.QUEUE + SASLDB, 0o640, "root", postfix.USER),) if _is_copied(facts) else (),
        readers=_readers(facts),
        untraced=True,
    )


def _readers(facts: Facts) -> tuple[Reader, ...]:
    """Return what smtpd opens when somebody logs in, in its chroot or not."""
    jail = "" if UNCHROOTED in facts.variants else postfix.QUEUE
    keytab = (Reader(facts.keytab, postfix.USER),) if facts.keytab else ()
    return (*keytab, *saslauthd.sockets(_database(facts), postfix.USER, facts, jail))


def _settings(facts: Facts) -> postfix.Settings:
    return {
        "smtpd_tls_security_level": "may",
        "smtpd_tls_auth_only": "yes",
        "smtpd_tls_chain_files": postfix.pair(facts.tls),
        "smtpd_tls_CAfile": postfix.path(facts.tls.bundle),
        "smtpd_sasl_auth_enable": "yes",
        **_sasl(facts),
        "smtpd_sasl_local_domain": facts.realm,
        "smtpd_sasl_security_options": "noanonymous",
        "smtpd_sasl_tls_security_options": "noanonymous",
        **_relaying(facts),
    }


def _sasl(facts: Facts) -> postfix.Settings:
    """Return who checks secrets; Debian's Postfix finds smtpd.conf without being told, others do not."""
    if DOVECOT in facts.variants:
        return {"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": DOVECOT_SOCKET}
    directory, _, name = SASL_CONF.rpartition("/")
    path = name.removesuffix(".conf")
    return {"smtpd_sasl_type": "cyrus", "smtpd_sasl_path": path, "cyrus_sasl_config_path": directory}


def _relaying(facts: Facts) -> postfix.Settings:
    """Return who may relay; the list of keys is what counts, for Postfix looks at no CRL."""
    behind = "permit_mynetworks, reject_unauth_destination"
    if not facts.clients:
        return {"smtpd_relay_restrictions": f"permit_sasl_authenticated, {behind}"}
    return {
        "smtpd_tls_ask_ccert": "yes",
        "smtpd_tls_fingerprint_digest": "sha256",
        "relay_clientcerts": _clients(facts).name,
        "smtpd_relay_restrictions": f"permit_sasl_authenticated, permit_tls_clientcerts, {behind}",
    }


def _clients(facts: Facts) -> Table:
    """Return the table of public keys; written even if empty, so that who was taken out relays no more."""
    keys = {_colons(client.key_id): (client.host.encode(),) for client in facts.clients}
    return Table(CLIENTS, postfix.kind_of(facts.variants, facts.system), keys)


def _colons(digest: str) -> str:
    return ":".join(digest[at : at + 2].upper() for at in range(0, len(digest), 2))


def _is_copied(facts: Facts) -> bool:
    database = database_of(facts.backend)
    variants = {UNCHROOTED, DOVECOT} & facts.variants
    return not variants and isinstance(database, Sasldb) and not _inside(database.path)


def _inside(path: str) -> str:
    """Return a path as it is called inside the chroot; empty for one outside."""
    return path.removeprefix(postfix.QUEUE) if path.startswith(f"{postfix.QUEUE}/") else ""


def _database(facts: Facts) -> sasl_conf.Backend | None:
    """Return where smtpd finds the accounts, as it sees them; None where it asks Dovecot."""
    backend, database = facts.backend, database_of(facts.backend)
    if DOVECOT in facts.variants:
        return None
    if UNCHROOTED in facts.variants or backend is None:
        return backend
    if isinstance(database, Sql) and any(not host or host.startswith("/") for host, _ in database.url.hosts):
        reason = "is reached by a socket, which smtpd's chroot hides"
        hint = f"name a host in the URL, or choose --with {UNCHROOTED}"
        raise InexpressibleError(str(database.url), reason, hint)
    return moved(backend, _inside(database.path) or SASLDB) if isinstance(database, Sasldb) else backend


def _sasl_conf(facts: Facts) -> File:
    database = _database(facts)
    if database is None:
        raise UsageError(NAME, "needs to know where the accounts are")
    content = sasl_conf.pieces(database, facts.mechanisms, facts.keytab)
    return File(SASL_CONF, content, 0o600 if len(content) > 1 else 0o644)


def _leave_chroot(facts: Facts) -> tuple[str, ...]:
    if UNCHROOTED not in facts.variants:
        return ()
    database = database_of(_database(facts))
    found = postfix.servers(facts.master_cf, facts.main_cf)
    inside = [postfix.moving(each, "n") for each in found if each.chroot]
    leave = tuple(inside) if found else ("postconf -F smtp/inet/chroot=n",)
    if not isinstance(database, Sasldb):
        return leave
    path = quote(database.path)
    return (f"chgrp postfix {quote(path)} && chmod g+r {quote(path)}", *leave)
