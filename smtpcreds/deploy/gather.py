"""The facts of one host for one mail program, from the authority, the accounts and the configuration."""

import os
from dataclasses import replace

from ..accounts import AccountBook
from ..authority.layout import BUNDLE, CRL, pair_of
from ..config import Site
from ..config.host import first_existing, host_name
from ..errors import MissingInputError, NoSuchAccountError, UsageError
from ..files import read_private, read_public
from ..model import Account, Credential
from ..mta import access, auth_info, authinfo_map
from ..mta.mechanisms import DEFAULT, PLAINTEXT, offer
from ..mta.port import Facts, Need, Program, Role, Tls
from ..mta.programs import check_variants
from ..mta.sasl_conf import PROGRAMS, Backend, Saslauthd
from ..secret import Secret
from .sasl_conf import backend_of
from .wishes import Wishes

PID_FILES = ("/run/sendmail/mta/sendmail.pid", "/run/sendmail.pid", "/var/run/sendmail.pid")
"""Debian's, Fedora's, and what sendmail is built with."""


def gather(site: Site, program: Program, options: Wishes) -> Facts:
    """Return what the program is told.

    Raises:
        UsageError: a choice the program does not know, or a client host that is the hub itself.
        MissingInputError, NoSuchAccountError: something must be made first; the hint says how.
    """
    check_variants(program, options.variants)
    wishes = options.over(site.settings.mta, program.VARIANTS)
    here = replace(site, settings=replace(site.settings, hub=wishes.hub)) if wishes.hub else site
    host = _host(here, program, wishes)
    is_hub = program.ROLE is Role.HUB
    default = PLAINTEXT if is_hub and wishes.saslauthd else DEFAULT
    return Facts(
        host=host,
        hub=here.hub,
        realm=here.realm,
        mechanisms=offer(
            wishes.mechanisms, default=default, plaintext=wishes.plaintext, external=wishes.external
        ),
        tls=_tls(here, host),
        pid_file=first_existing(here.root, PID_FILES),
        backend=_backend(here, wishes) if is_hub else None,
        credential=_credential(here, wishes) if Need.CREDENTIAL in program.NEEDS else None,
        rules=_rules(here, wishes, is_hub=is_hub),
        variants=wishes.variants,
    )


def _host(site: Site, program: Program, wishes: Wishes) -> str:
    if program.ROLE is Role.HUB:
        return site.qualify(wishes.host) if wishes.host else site.hub
    host = site.qualify(wishes.host or host_name(site.root))
    if host == site.hub:
        hint = f"name the hub: --hub NAME, or hub in {site.settings_path}; or the client host: --host NAME"
        raise UsageError(host, f"is the hub itself, and {program.NAME} would send its mail in circles", hint)
    return host


def _tls(site: Site, host: str) -> Tls:
    directory = site.settings.cert.directory
    pair = pair_of(site, host, directory)
    return Tls(pair.key, pair.certificate, f"{directory}/{BUNDLE}", directory, f"{directory}/{CRL}")


def _backend(site: Site, wishes: Wishes) -> Backend:
    if wishes.saslauthd:
        return Saslauthd()
    return backend_of(site, None, wishes.role or PROGRAMS["sendmail"].user, wishes.role_password)


def _rules(site: Site, wishes: Wishes, *, is_hub: bool) -> tuple[access.Rule, ...]:
    further = tuple(access.parse_rule(text) for text in wishes.access)
    if not is_hub or not (wishes.relay_certificates or wishes.relay_hosts):
        return further
    issuer = _issuer(site)
    hosts = None if wishes.relay_certificates else [_subject(site, host) for host in wishes.relay_hosts]
    return (*access.relaying(issuer, hosts), *further)


def _issuer(site: Site) -> str:
    """Return the DN of the CA that issues, from the authority or from the bundle, which it leads."""
    from ..authority.ca import certificates, exists
    from ..pki.describe import describe
    from ..pki.pem import parse_certificates

    if exists(site):
        return describe(certificates(site)[0]).access_subject
    path = f"{site.certificates}/{BUNDLE}"
    return describe(parse_certificates(read_public(path), path).certificates[0]).access_subject


def _subject(site: Site, host: str) -> str:
    """Return the DN of a host's certificate."""
    from ..authority.lookup import find
    from ..inventory import State
    from ..pki.describe import describe

    name = site.qualify(host)
    issue = f"smtpcreds cert issue {name}"
    try:
        found = find(site, name, "")
    except MissingInputError:
        raise MissingInputError(name, "has no certificate to relay by", issue) from None
    if found.row and found.row.state is not State.ISSUED:
        reason = f"has no valid certificate to relay by; its last one is {found.row.state}"
        raise MissingInputError(name, reason, issue)
    return describe(found.certificate).access_subject


def _credential(site: Site, wishes: Wishes) -> Credential:
    """Return the account with its secret: given, of the database, or what this host logs in with."""
    book = AccountBook(site)
    account = book.parse(wishes.account or site.settings.sasl.account)
    if wishes.secret:
        return _verified(book, account, wishes.secret())
    return held_credential(site, account)


def held_credential(site: Site, account: Account) -> Credential:
    """Return the account with its secret: of the database, or what this host logs in with.

    Raises:
        NoSuchAccountError: neither is here.
        PasswordRefusedError: the database has no clear text of it.
    """
    book = AccountBook(site)
    try:
        return book.credential(account)
    except NoSuchAccountError as error:
        installed = _installed_secret(site, account)
        if installed is None:
            reason = f"has no secret here: {error.reason}, and none is installed"
            hint = f"smtpcreds sasl add {book.shown(account)} on the hub; elsewhere give --password SOURCE"
            raise NoSuchAccountError(str(account), reason, hint) from None
        return Credential(account, installed, site.realm)


def _verified(book: AccountBook, account: Account, secret: Secret) -> Credential:
    """Return the account with a secret that was given; where the account is known, it has to fit."""
    from ..accounts.verify import credential

    try:
        book.properties(account)
    except NoSuchAccountError:
        return Credential(account, secret, book.site.realm)
    return credential(book, account, secret)


def _installed_secret(site: Site, account: Account) -> Secret | None:
    """Return the secret that this host has for the account in default-auth-info or in the authinfo map."""
    found = []
    path = site.path(auth_info.DEFAULT_PATH)
    if os.path.lexists(path):
        found.append(auth_info.parse(read_private(path), path))
    path = site.path(authinfo_map.DEFAULT_PATH)
    if os.path.lexists(path):
        found += authinfo_map.parse(read_private(path), path).values()
    names = {account.authcid, str(account)}
    return next((info.secret for info in found if info.authcid in names), None)
