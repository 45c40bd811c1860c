"""The facts of one host for one mail program, from the authority, the accounts and the configuration."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace

from ..accounts.auth_info import kept_credential, readable_credential, write_file
from ..accounts.database import AccountDatabase, Ask, ask_at_once, recorded_place
from ..accounts.entries import served
from ..accounts.stored import first_value
from ..ca.altered import reinstated_keys
from ..ca.authority import authority_of
from ..ca.directory import bundled
from ..ca.layout import (
    ALL_CRLS,
    BUNDLE,
    BY_TAR,
    CRL,
    ca_files,
    cure_missing,
    cure_unnamed_hub,
    has_inventory,
    pair_of,
    reading,
    sharing,
)
from ..config import Site, first_existing
from ..errors import (
    DamagedFileError,
    DataError,
    InexpressibleError,
    MissingInputError,
    NoSuchAccountError,
    UsageError,
)
from ..files import check_parents, check_target, exists, read_private, read_public
from ..inventory.rows import AuthorityState, CertificateRow, State
from ..model import Account, Artifact, Credential, Root
from ..mta import access, dovecot, exim, postfix, postfix_hub
from ..mta.program import Client, Facts, Held, Material, Need, Program, Role, Tls
from ..mta.programs import check_variants
from ..mta.sasl_conf import (
    EXTERNAL,
    PROGRAMS,
    Backend,
    Saslauthd,
    Sasldb,
    Sql,
    offer,
    parse,
    program_on,
    shown,
    usable,
)
from ..names import PLAINTEXT
from ..passwords import DOVECOT_SCRAM, dovecot_secret, dovecot_verifier, is_dovecot_of
from ..pki.crl import may_sign_crls
from ..pki.encoding import encode_certificates
from ..pki.names import MAX_PART, sendmail_dn
from ..pki.values import Certificate
from ..postgres import is_url, parse_url, plugin_options
from ..sasldb.opening import refuse_url
from ..sasldb.records import AUTH_PASSWORD, USER_PASSWORD, by_account
from ..secret import Secret
from ..shell import quote
from ..systems import SYSTEMS, Words
from .files import owner_of
from .options import RenderOptions, in_force
from .role import of_hub, refuse_other_hub
from .unused import refuse_untold, refuse_unused

# What a client host logs in with, and what the accounts of a hub hold.


def held(site: Site) -> tuple[Held, ...]:
    """Return all accounts of the database, by name."""
    found = by_account(AccountDatabase(site).records())
    return tuple(
        Held(account, {name: Secret(value) for name, value in found[account].items()})
        for account in sorted(found)
    )


def credential(site: Site, program: Program, render_options: RenderOptions, ask: Ask) -> Credential:
    """Return the account with its secret: given, of the database, or what this host logs in with."""
    account_database = AccountDatabase(site)
    account = account_database.parse(render_options.account or site.settings.sasl.account)
    if render_options.secret:
        return _verified(account_database, account, ask(render_options.secret))
    return held_credential(site, (program,), account)


def held_credential(site: Site, programs: Iterable[Program], account: Account) -> Credential:
    """Return the account with its secret: of the database, or what one of the programs logs in with here."""
    account_database = AccountDatabase(site)
    try:
        return readable_credential(account_database, account)
    except NoSuchAccountError as error:
        installed = (_installed_secret(site, program, account) for program in programs)
        secret = next(filter(None, installed), None)
        if secret is None:
            raise _without_secret(account_database, account, error.reason) from None
        return Credential(account, secret, site.realm)


def _without_secret(accounts: AccountDatabase, account: Account, why: str) -> NoSuchAccountError:
    """Return what is to be said of an account that is gone: its successor, where it has one."""
    from ..accounts.rotation import latest

    site, successor = accounts.site, account
    if has_inventory(site):
        with reading(site) as inventory:
            successor = latest(inventory, recorded_place(site, accounts.database), account)
    if successor != account and successor in accounts:
        setting = f'account = "{successor.authcid}" in table [sasl] of {site.settings_path}'
        hint = f"add --account {accounts.shown(successor)}, or write {setting}"
        return NoSuchAccountError(str(account), f"was replaced by {successor}, and is gone", hint)
    reason = f"has no secret here: {why}, and none is installed"
    hint = f"on the hub: smtpcreds sasl add {accounts.shown(account)}; elsewhere give --password SOURCE"
    if exists(ca_files(site).certificate) and not accounts.records():
        hint = f"after a restore: smtpcreds sasl import FILE; else {hint}"
    return NoSuchAccountError(str(account), reason, hint)


def fitting(site: Site, program: Program, account: Account, mechanisms: tuple[str, ...]) -> tuple[str, ...]:
    """Return those of the mechanisms that the account can be served by; all where it is not known here.

    Raises:
        InexpressibleError: the program can log in by none of them.
    """
    try:
        by_account = served(AccountDatabase(site).properties(account))
    except NoSuchAccountError:
        return mechanisms
    found = tuple(name for name in mechanisms if name == EXTERNAL or name in by_account)
    known = set(program.MECHANISMS)
    if known & set(by_account) and (known & set(found) or not known & set(mechanisms)):
        return found if known & set(found) else mechanisms
    reason = f"can be served by {', '.join(by_account) or 'nothing'} only"
    if not known & set(by_account):
        reason += f", and {program.NAME} logs in by {', '.join(program.MECHANISMS)}"
    else:
        reason += f", and what is to be tried is {', '.join(mechanisms)}"
    hint = f"smtpcreds sasl passwd {AccountDatabase(site).shown(account)} --clear, or another --account"
    if both := [name for name in by_account if name in known and name not in mechanisms]:
        hint = f"--mechanism {both[0]}, or {hint}"
    raise InexpressibleError(str(account), reason, hint)


def _verified(account_database: AccountDatabase, account: Account, secret: Secret) -> Credential:
    """Return the account with a secret that was given; where the account is known, it has to fit."""
    try:
        return kept_credential(account_database, account, secret)
    except NoSuchAccountError:
        return Credential(account, secret, account_database.site.realm)


def _installed_secret(site: Site, program: Program, account: Account) -> Secret | None:
    """Return the secret that this host has for the account in the program's own files."""
    said = Words(site.system).said
    paths = {name: site.path(said(name)) for name in program.SECRET_FILES}
    files = {name: _read(path) for name, path in paths.items() if exists(path)}
    return secret_for(program, account, files)


def secret_for(program: Program, account: Account, files: Mapping[str, bytes]) -> Secret | None:
    """Return the secret that the program's files have for the account, or None.

    Args:
        program: whose files.
        account: it stands there by its bare or its full name.
        files: content by the path on the host.
    """
    names = {account.authcid, str(account)}
    for name in program.SECRET_FILES:
        found = program.parse(name, files[name]) if name in files else {}
        secret = found.get("secret")
        if found.get("authcid") in names and isinstance(secret, Secret):
            return secret
    return None


def _read(path: str) -> bytes:
    """Return what a file of ours says; the program's own group may read some of them."""
    check_parents(path)
    check_target(path)
    return read_public(path)


# Who may relay through the hub by certificate: Sendmail's access map, and lists of keys.

_CLIENT_PROFILES = {"relay", "client"}


def rules(site: Site, render_options: RenderOptions, *, is_hub: bool) -> tuple[access.Rule, ...]:
    """Return the lines of Sendmail's access map."""
    further = tuple(access.parse_rule(text) for text in render_options.access)
    if not is_hub or not (render_options.relay_certificates or render_options.relay_hosts):
        return further
    hosts = None
    if not render_options.relay_certificates:
        with sharing(site):
            hosts = [subject for host in render_options.relay_hosts if (subject := _subject(site, host))]
    return (*access.relaying(_issuers(site), hosts), *further)


def _subject(site: Site, host: str) -> str:
    """Return the DN of a host's certificate; nothing, with a warning, where it was revoked."""
    from ..ca.lookup import find
    from ..pki.describe import describe

    name = site.qualify(host)
    issue = f"smtpcreds cert issue {quote(name)}"
    try:
        found = find(site, name, "")
    except MissingInputError:
        raise MissingInputError(name, "has no certificate to relay by", issue) from None
    if found.row and found.row.state is not State.ISSUED:
        site.warn(f"{name}: may not relay, its last certificate is {found.row.state}; {issue}")
        return ""
    subject = describe(found.certificate).access_subject
    if not subject:
        reason = (
            f"is longer than a CN can be ({MAX_PART}), and Sendmail identifies certificates by the CN alone"
        )
        hint = "give it a shorter name or an account, or let every host of the CA relay: --relay-certificates"
        raise InexpressibleError(name, reason, hint)
    return subject


def clients(site: Site, render_options: RenderOptions) -> tuple[Client, ...]:
    """Return the certificates that may relay; what is revoked, expired or of a replaced key is left out.

    A host all of whose certificates are gets a warning and no place in the list: for programs that look at
    no CRL, the list that is written now is what ends its relaying.
    """
    if not (render_options.relay_certificates or render_options.relay_hosts):
        return ()
    valid = _valid(site)
    if not render_options.relay_certificates:
        wanted = {site.qualify(host) for host in render_options.relay_hosts}
        _report(site, sorted(wanted - {row.host for row in valid}))
        valid = [row for row in valid if row.host in wanted]
    found = {Client(row.host, row.key_id or "", row.fingerprint or "") for row in valid}
    return tuple(sorted(found))


def _report(site: Site, hosts: list[str]) -> None:
    """Tell which hosts can't relay by a certificate."""
    with reading(site) as inventory:
        for host in hosts:
            issue = f"smtpcreds cert issue {quote(host)}"
            if not any(True for _ in inventory.listing(host=host)):
                raise MissingInputError(host, "has no certificate to relay by", issue)
            site.warn(f"{host}: may not relay, it has no valid certificate; {issue} --force")


def _valid(site: Site) -> list[CertificateRow]:
    """Return the certificates that a client may show now.

    A key that any certificate was revoked for is refused with all of them: these programs see the key alone.
    So is one that a newer certificate in the same place replaced, or that a retired authority alone signed;
    of a key that stays, the former certificate is accepted while the new one is carried to its host.
    """
    if not has_inventory(site):
        raise MissingInputError(site.inventory, "knows which certificates may relay, and is not there")
    in_use, rows = _by_use(site)
    return [row for row in rows if row.key_id in in_use]


def replaced(
    site: Site, program: Program, render_options: RenderOptions, mechanisms: tuple[str, ...]
) -> tuple[str, ...]:
    """Return the certificates of keys that were replaced or revoked, by SHA-256."""
    is_asked = render_options.relay_certificates or render_options.relay_hosts or EXTERNAL in mechanisms
    by_name = program.NEEDS & {Need.RULES, Need.CLIENTS}
    if not (is_asked and by_name and program.ROLE is Role.HUB and has_inventory(site)):
        return ()
    in_use, rows = _by_use(site)
    return tuple(sorted(row.fingerprint for row in rows if row.fingerprint and row.key_id not in in_use))


def _by_use(site: Site) -> tuple[set[str | None], list[CertificateRow]]:
    """Return the keys that hosts use now, and the certificates of clients that are valid."""
    with reading(site) as inventory:
        revoked = {row.key_id for row in inventory.listing(state=State.REVOKED)} | reinstated_keys(inventory)
        retired = {row.id for row in inventory.authorities() if row.state is AuthorityState.RETIRED}
        latest = inventory.listing(expires_after=site.clock(), latest=True)
        in_use = {row.key_id for row in latest if row.authority not in retired} - revoked
        rows = list(inventory.listing(expires_after=site.clock(), state=State.ISSUED))
    return in_use, [row for row in rows if row.profile in _CLIENT_PROFILES]


# What Dovecot's passwd-file says of each account. Values are salted, so those that still hold are kept.


def verifiers(site: Site, accounts: Iterable[Held], variants: frozenset[str]) -> Mapping[str, Secret]:
    """Return the password field of each account: in the chosen scheme, or the verifier that it is held as."""
    scheme = dovecot.scheme_of(variants)
    installed = _installed(site)
    return {
        str(held.account): Secret(_field(held, scheme, installed.get(str(held.account)))) for held in accounts
    }


def _field(held: Held, scheme: str, installed: str | Secret | None) -> str:
    clear = held.properties.get(USER_PASSWORD)
    if clear is None:
        return _verifier(held)
    dovecot.check_secret(held.account, clear)
    if isinstance(installed, Secret):
        field = installed.reveal().decode()
        if is_dovecot_of(field, clear, scheme):
            return field
    return dovecot_secret(clear, scheme)


def _verifier(held: Held) -> str:
    stored = held.properties.get(AUTH_PASSWORD)
    field = dovecot_verifier(first_value(stored.reveal())) if stored else None
    if field is None:
        name, known = str(held.account), " or ".join(DOVECOT_SCRAM)
        reason = f"has neither clear text nor a verifier for {known}, so Dovecot can't serve it"
        raise InexpressibleError(name, reason, f"smtpcreds sasl passwd {quote(name)} --hashed, or --clear")
    return field


def _installed(site: Site) -> Mapping[str, str | Secret]:
    """Return what the file on this disk says; one that is not there, or not ours, says nothing."""
    path = site.path(Words(site.system).said(dovecot.PATH))
    if not exists(path):
        return {}
    try:
        return dovecot.parse(read_public(path), path)
    except DataError:
        return {}


# Sendmail.conf or smtpd.conf for a hub, from where its accounts are.

_NOTE = "where Cyrus SASL finds the accounts"
_NOT_SQL = "is for accounts in PostgreSQL, and these are in a file"
_PLACE = ("sql_hostnames", "sql_database")


def backend_of(site: Site, database: str | None, role: str, password: Secret | None = None) -> Sasldb | Sql:
    """Return where the mail server finds the accounts of a database.

    Args:
        site: the configured database, as the mail server of that root names it.
        database: another file or URL.
        role: that the mail server reads a PostgreSQL database as.
        password: of that role, where it needs one.
    """
    place = database or site.settings.sasl.database
    if is_url(place):
        refuse_url(place)
        return Sql(parse_url(place), role, password)
    if password:
        raise UsageError("--role-password", _NOT_SQL)
    return Sasldb(os.path.abspath(place))


def backend_of_hub(site: Site, family: str, render_options: RenderOptions) -> Sasldb | Sql:
    """Return where a hub finds accounts.

    A role and its password that are not given are those of the installed file, if it is about the same
    database: the configuration of smtpcreds holds no password that it could be written with again.
    """
    if render_options.role and not is_url(site.settings.sasl.database):
        raise UsageError("--role", _NOT_SQL)
    server = program_on(site.system, family) if family in PROGRAMS else None
    backend = backend_of(
        site, None, render_options.role or (server.user if server else "root"), render_options.role_password
    )
    if not server or not isinstance(backend, Sql):
        return backend
    there = _sasl_conf_installed(site.path(Words(site.system).said(PROGRAMS[family].conf)))
    wanted = plugin_options(backend.url, "")
    if any(there.get(name) != wanted.get(name) for name in _PLACE):
        return backend
    role = render_options.role or str(there.get("sql_user", backend.role))
    kept = there.get("sql_passwd") if role == there.get("sql_user") else None
    return replace(
        backend, role=role, password=backend.password or (kept if isinstance(kept, Secret) else None)
    )


def _sasl_conf_installed(path: str) -> Mapping[str, str | Secret]:
    """Return the settings of a file; of a damaged one or none, nothing."""
    if not exists(path):
        return {}
    check_parents(path)
    check_target(path)
    try:
        return shown(parse(read_public(path), path))
    except DamagedFileError:
        return {}


def write_sasl_conf(
    root: Root, content: bytes, path: str, *, group: str | None = None, force: bool = False
) -> bool:
    """Write the file, owned by root when root writes it; return False where it was there as it is to be.

    Args:
        root: whose groups are meant.
        content: of the file.
        path: of the file.
        group: that alone may read it, since it holds a password; None for everybody.
        force: replace another content.
    """
    mode = 0o644 if group is None else 0o600 if group == "root" else 0o640
    artifact = Artifact(path, content, mode, owner_of(root, "root", group or "root"), _NOTE)
    return write_file(artifact, "other settings", force=force)


PID_FILES = tuple(dict.fromkeys(system.sendmail_pid for system in SYSTEMS.values()))
"""Of Sendmail's daemon on any system."""


def sendmail_pid(site: Site) -> str:
    """Return the pid file of Sendmail's daemon: one that is there, else the system's own."""
    return first_existing(site.root, (site.system.sendmail_pid, *PID_FILES))


def told(
    site: Site, program: Program, given: RenderOptions, *, defaults: bool = False, ask: Ask = ask_at_once
) -> tuple[RenderOptions, Facts]:
    """Return the options of a run, completed by what ``mta apply`` was told, and what the program is told.

    Args:
        site: where.
        program: whose files are meant.
        given: options of this run.
        defaults: without those of earlier runs.
        ask: see :func:`gather`.
    """
    refuse_other_hub(site, program, given)
    options, here = in_force(site, program, given, defaults=defaults), of_hub(site, program)
    facts = gather(here, program, options, ask=ask)
    refuse_untold(program, given, options.over(here.settings.mta, program.VARIANTS))
    return options, facts


def as_applied(site: Site, program: Program, given: RenderOptions | None = None) -> Facts:
    """Return what the program is told, by the last ``mta apply`` and the hub whose bundle came for it."""
    return gather(of_hub(site, program), program, in_force(site, program, given or RenderOptions()))


def gather(
    site: Site,
    program: Program,
    options: RenderOptions,
    material: Material | None = None,
    *,
    ask: Ask = ask_at_once,
) -> Facts:
    """Return what the program is told.

    Args:
        site: where.
        program: it is told what it needs and no more.
        options: what is wanted of it.
        material: what the host's certificate files will say, where they do not lie on this disk.
        ask: gets the answer to a question about a secret, as :meth:`smtpcreds.transaction.Transaction.ask`.

    Raises:
        UsageError: a choice or option that the program has no use for, or a client host that is the hub.
    """
    check_variants(program, options.variants)
    render_options = options.over(site.settings.mta, program.VARIANTS)
    refuse_unused(program, options, render_options)
    here = (
        replace(site, settings=site.settings._replace(hub=render_options.hub)) if render_options.hub else site
    )
    host = _host(here, program, render_options)
    is_hub = program.ROLE is Role.HUB
    with_crl = (is_hub or render_options.crl) and _has_crl(here)
    mechanisms = _served(here, program, render_options, wanted_mechanisms(render_options, is_hub=is_hub))
    known = None
    if Need.CREDENTIAL in program.NEEDS:
        account = AccountDatabase(here).parse(render_options.account or here.settings.sasl.account)
        mechanisms = fitting(here, program, account, mechanisms)  # before its secret is asked for
        known = credential(here, program, render_options, ask)
    accounts = held(here) if program.NEEDS & {Need.ACCOUNTS, Need.VERIFIERS} else ()
    return Facts(
        host=host,
        hub=here.hub,
        realm=here.realm,
        mechanisms=mechanisms,
        tls=_tls(here, host, with_crl=with_crl),
        pid_file=sendmail_pid(here),
        backend=_backend(here, program, render_options) if is_hub else None,
        credential=known,
        rules=_rules(here, program, render_options),
        variants=_variants(here, program, render_options),
        port=render_options.port or 25,
        material=(material or _material(here, host, is_hub=is_hub, with_crl=with_crl))
        if Need.MATERIAL in program.NEEDS
        else None,
        accounts=accounts,
        verifiers=verifiers(here, accounts, render_options.variants)
        if Need.VERIFIERS in program.NEEDS
        else {},
        clients=clients(here, render_options) if Need.CLIENTS in program.NEEDS else (),
        replaced=replaced(here, program, render_options, mechanisms),
        fingerprint=_fingerprint(here, render_options) if Need.FINGERPRINT in program.NEEDS else "",
        issuers=_issuers(here) if is_hub else (),
        system=here.system,
        dovecot=dovecot.version_of(_configured(here, dovecot.CONFIGURATION)),
        main_cf=_configured(here, postfix.MAIN),
        master_cf=_configured(here, postfix.MASTER),
        keytab=_keytab(render_options),
    )


def _served(
    site: Site, program: Program, options: RenderOptions, mechanisms: tuple[str, ...]
) -> tuple[str, ...]:
    """Leave out what Dovecot does not serve where Exim asks it, which takes any AUTH and then answers 435."""
    if program.FAMILY != "exim" or program.ROLE is not Role.HUB or "dovecot" not in options.variants:
        return mechanisms
    from ..mta import dovecot_hub

    found = dovecot_hub.offered(_configured(site, dovecot_hub.FRAGMENT))
    if not found and options.mechanisms:  # of a Dovecot that the administrator has set up
        return mechanisms
    known = found or dovecot.MECHANISMS[dovecot.DEFAULT_SCHEME]
    return usable("Dovecot as it is configured", (*known, EXTERNAL), mechanisms)


def _keytab(options: RenderOptions) -> str:
    """Return where the keytab is on the host; libsasl2 takes no type, as ``FILE:``, before it."""
    if options.keytab and not options.keytab.startswith("/"):
        raise UsageError("--keytab", f"takes an absolute path, not {options.keytab}")
    return options.keytab or ""


def _variants(site: Site, program: Program, options: RenderOptions) -> frozenset[str]:
    """Return the choices, with those that follow from how the host keeps its configuration."""
    found = options.variants
    if program.FAMILY == "exim" and not exim.STYLES & found and site.system.exim_style == exim.HAND_WRITTEN:
        found |= {exim.HAND_WRITTEN}
    if postfix_hub.UNCHROOTED in program.VARIANTS and not _is_chrooted(site):
        found |= {postfix_hub.UNCHROOTED}
    return found


def _is_chrooted(site: Site) -> bool:
    """Tell whether master.cf has every smtpd of the network in the chroot; without one, what packages do."""
    found = postfix.servers(_configured(site, postfix.MASTER), _configured(site, postfix.MAIN))
    return all(each.chroot for each in found) if found else site.system.postfix_chroot == "y"


def _configured(site: Site, name: str) -> str:
    """Return a file of the administrator's; nothing where there is none."""
    path = site.path(Words(site.system).said(name))
    return read_public(path).decode(errors="replace") if exists(path) else ""


def wanted_mechanisms(options: RenderOptions, *, is_hub: bool) -> tuple[str, ...]:
    """Return what is offered or tried; login accounts need PLAIN or LOGIN, and the others what they had."""
    named = set(map(str.upper, options.mechanisms))
    for_people = is_hub and options.saslauthd and not named & set(PLAINTEXT)
    plaintext, gssapi = options.plaintext or for_people, bool(options.keytab)
    return offer(options.mechanisms, plaintext=plaintext, external=options.external, gssapi=gssapi)


def _host(site: Site, program: Program, render_options: RenderOptions) -> str:
    if program.ROLE is Role.HUB:
        return site.qualify(render_options.host) if render_options.host else site.hub
    host = site.qualify(render_options.host or site.own_name)
    if host == site.hub:
        if cure := cure_unnamed_hub(site):
            raise UsageError(host, BY_TAR, cure)
        hint = f"name the hub: --hub NAME, or hub in {site.settings_path}; or the client host: --host NAME"
        raise UsageError(host, f"is the hub itself; {program.NAME} would send its mail to itself", hint)
    return host


def _tls(site: Site, host: str, *, with_crl: bool) -> Tls:
    directory = site.settings.cert.directory
    pair = pair_of(site, host, directory)
    names = (CRL, ALL_CRLS) if with_crl else ()
    crls = [f"{directory}/{name}" for name in names] or ["", ""]
    return Tls(pair.key, pair.certificate, f"{directory}/{BUNDLE}", directory, *crls)


def _has_crl(site: Site) -> bool:
    """Tell whether every authority that issues for us may sign a CRL.

    With a CRL of one alone OpenSSL refuses what another has signed.
    """
    return all(map(may_sign_crls, _issuing(site)))


def _issuing(site: Site) -> tuple[Certificate, ...]:
    """Return the CAs that certify hosts for us; where they are elsewhere, the first of the bundle."""
    ca = authority_of(site)
    own = (ca.chain[0], *(old.certificate for old in ca.superseded_cas)) if ca.is_there else ()
    return own or bundled(site.certificates)[:1]


def _backend(site: Site, program: Program, render_options: RenderOptions) -> Backend:
    database = backend_of_hub(site, program.FAMILY, render_options)
    return Saslauthd(database=database) if render_options.saslauthd else database


def _rules(site: Site, program: Program, render_options: RenderOptions) -> tuple[access.Rule, ...]:
    if Need.RULES in program.NEEDS:
        return rules(site, render_options, is_hub=program.ROLE is Role.HUB)
    return ()


def _own(site: Site) -> tuple[Certificate, ...]:
    """Return the CA certificates of our authority; where another host has it, those that are trusted."""
    ca = authority_of(site)
    return ca.trusted if ca.is_there else bundled(site.certificates)


def _issuers(site: Site) -> tuple[str, ...]:
    """Return the DNs of the CAs that certify hosts for us."""
    return tuple(dict.fromkeys(sendmail_dn(certificate.subject) for certificate in _issuing(site)))


def _material(site: Site, host: str, *, is_hub: bool, with_crl: bool) -> Material:
    """Return what the host's files say; a hub trusts clients of our own authority and no others."""
    directory = site.certificates
    pair = pair_of(site, host)
    crls = [f"{directory}/{ALL_CRLS}"] if with_crl else []
    for path in (pair.key, pair.certificate, f"{directory}/{BUNDLE}", *crls):
        if not exists(path):
            who = "a server that reads it" if path in crls else host
            reason = f"is missing, so {who} cannot offer TLS"
            raise MissingInputError(path, reason, cure_missing(site, path, host, is_hub=is_hub))
    return Material(
        Secret(read_private(pair.key)),
        read_public(pair.certificate),
        encode_certificates(_own(site)) if is_hub else read_public(f"{directory}/{BUNDLE}"),
        b"".join(map(read_public, crls)),
    )


def _fingerprint(site: Site, render_options: RenderOptions) -> str:
    """Return the fingerprint of the hub's certificate, given or from the inventory."""
    if render_options.fingerprint:
        return _parse_fingerprint(render_options.fingerprint)
    if has_inventory(site):
        with reading(site) as inventory:
            current = inventory.current(site.hub, site.clock())
        if current and current.fingerprint:
            return current.fingerprint
    hint = f"on the hub: smtpcreds cert show {site.hub}; here: --fingerprint HEX"
    raise MissingInputError(site.hub, "has no certificate that is known here", hint)


def _parse_fingerprint(text: str) -> str:
    plain = text.replace(":", "").lower()
    if len(plain) != 64 or set(plain) - set("0123456789abcdef"):
        raise UsageError("--fingerprint", "takes a SHA-256: 64 hex digits, colons between them or not")
    return plain
