"""A whole relay hub: each part is made if it is missing."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from .accounts.auth_info import auth_info_for_clients, follow, is_readable, write_auth_info
from .accounts.database import AccountDatabase
from .ca.create import create, new_authority
from .ca.directory import check, trust
from .ca.issue import CertificateOptions, CertificateRequest, Refused, issue, order
from .ca.pair import pair_in_use
from .config import Site, parse_settings
from .deploy.apply import Applied, apply, carried_out, refuse_commands
from .deploy.options import RenderOptions
from .errors import ExistsError, NameRefusedError, PasswordRefusedError, UsageError
from .files import check_target, ensure_directory, exists, read_public, sweep_target, write_all
from .lazy import dataclass
from .model import Account, Artifact
from .mta.program import Program
from .names import is_qualified, is_within, parse_host
from .pki.chains import is_issued_by
from .pki.pair_rules import name_fault, role_fault
from .pki.profiles import SERVER
from .pki.values import Certificate
from .secret import Secret
from .shell import quote
from .transaction import Transaction


@dataclass(frozen=True)
class Hub:
    """A hub that is to stand.

    Attributes:
        site: with the hub and its domain in the settings.
        host: full name.
        account: of the client hosts.
    """

    site: Site
    host: str
    account: Account

    @property
    def auth_info(self) -> str:
        """The file for client hosts, kept under the state directory."""
        return auth_info_for_clients(self.site, self.account)


@dataclass(frozen=True)
class Secrets:
    """The questions of a set-up, each asked only if its part is missing.

    Attributes:
        passphrase: for the keys of a new authority.
        password: of a new account.
    """

    passphrase: Callable[[], Secret | None]
    password: Callable[[], Secret]


@dataclass(frozen=True)
class Part:
    """One part of a hub: what it is, where it lies, and whether this run made it."""

    what: str
    path: str
    made: bool


@dataclass(frozen=True)
class Ready:
    """A hub that stands.

    Attributes:
        parts: what it is made of.
        applied: the files of its mail programs, if any were named.
        is_plain: an authority was made, and its key is not encrypted.
    """

    parts: list[Part]
    applied: tuple[Applied, ...]
    is_plain: bool


def hub(site: Site, host: str, account: str | None = None) -> Hub:
    """Name the hub and its account."""
    name = site.qualify(host)
    if not is_qualified(name):
        raise NameRefusedError(host, "is not a full name", f"smtpcreds setup {quote(name)}.DOMAIN")
    settings = site.settings
    if settings.hub and site.hub != name:
        reason = f"is not the hub of {site.settings_path}, which says {site.hub}"
        raise UsageError(name, reason, "change hub there, or set this one up under a --root of its own")
    if site.hub != name and _names_no_hub(site):
        site.warn(
            f'{site.settings_path}: names no hub, so other commands take {site.hub}; add hub = "{name}"'
        )
    domain = settings.domain or name.partition(".")[2]
    here = replace(site, settings=settings._replace(hub=name, domain=parse_host(domain)))
    client = AccountDatabase(here).parse(account or settings.sasl.account)
    auth_info_for_clients(here, client)
    return Hub(here, name, client)


def _names_no_hub(site: Site) -> bool:
    """Tell whether there is a configuration without it; another run may have made one since it was read."""
    path = site.settings_path
    return exists(path) and not parse_settings(read_public(path).decode(), path).hub


def set_up(
    work: Transaction,
    wanted: Hub,
    secrets: Secrets,
    programs: Sequence[Program] = (),
    options: RenderOptions | None = None,
    *,
    allow_login_name: bool = False,
    force: bool = False,
    edit: bool = False,
    run: bool = False,
) -> Ready:
    """Make what is missing of a hub; of a finished one nothing.

    Args:
        work: on the site of the hub.
        wanted: which hub.
        secrets: of what is made.
        programs: its mail programs, whose files are written, too: one, or one and Dovecot.
        options: of those files.
        allow_login_name: accept an account's name that is a login of this host.
        force: replace a certificate that is no use to client hosts, and the program's files that are not
            ours, or were edited.
        edit: the administrator's files, too, so that the program reads ours.
        run: the commands that make the files effective.
    """
    if run:
        refuse_commands(work.site)
    authority, is_plain = _authority(work, wanted, secrets)
    certificate = _certificate(work, wanted, force=force)
    account = _account(work, wanted, secrets, allow_login_name=allow_login_name)
    info = list(_auth_info(work, wanted, is_new=account.made))
    configuration = _configuration(work.site)
    parts = [authority, certificate, *_restored(work), account, *info, configuration]
    applied = [
        apply(work, program, choice, force=force, edit=edit, is_new=configuration.made)
        for program, choice in choices(programs, options or RenderOptions())
    ]
    if configuration.made:
        applied = [_completed(work.site, one) for one in applied]
    return Ready(parts, tuple(map(carried_out, applied) if run else applied), is_plain)


def choices(programs: Sequence[Program], options: RenderOptions) -> list[tuple[Program, RenderOptions]]:
    """Return each program with its options: those that it knows, and that Dovecot is there or for whom.

    Dovecot comes first, since the others ask it.

    Raises:
        UsageError: two mail servers, or a choice that no program knows.
    """
    families = [program.FAMILY for program in programs]
    servers = [name for name in families if name != DOVECOT]
    if len(servers) > 1 or len(families) > len({*families}):
        raise UsageError(f"--mta {families[1]}", "is one mail server too many", "name one, and dovecot")
    known = {choice for program in programs for choice in program.VARIANTS}
    for name in sorted(options.variants - known) if programs else ():
        raise UsageError(name, f"is no choice of {', '.join(program.NAME for program in programs)}")
    partners = {*families, *options.variants}
    ordered = sorted(programs, key=lambda program: program.FAMILY != DOVECOT)
    return [
        (program, replace(options, variants=frozenset(partners & program.VARIANTS))) for program in ordered
    ]


DOVECOT = "dovecot"


def _authority(work: Transaction, wanted: Hub, secrets: Secrets) -> tuple[Part, bool]:
    """Return the part, and whether its key was stored unencrypted now."""
    site, path = work.site, work.ca.files.certificate
    if work.ca.is_there:
        work.lock()  # when this run began, there was nothing to lock, and another may be at work
        _ = work.ca.chain
        return Part("authority", path, made=False), False
    new = new_authority(site)
    if new.permitted_domains and not any(is_within(wanted.host, domain) for domain in new.permitted_domains):
        reason = f"is outside what the new CA may certify ({', '.join(new.permitted_domains)})"
        raise NameRefusedError(wanted.host, reason, f"set ca.permitted_domains in {site.settings_path}")
    try:
        made = create(work, new, secrets.passphrase)
    except ExistsError:
        if not work.ca.is_there:
            raise
        return _authority(work, wanted, secrets)  # another run was faster
    return Part("authority", path, made=True), not made.is_encrypted


def _certificate(work: Transaction, wanted: Hub, *, force: bool) -> Part:
    needed = order(work.site, wanted.host, CertificateOptions())
    path = needed.pair.certificate
    recovered = any(work.site.root.locate(row.directory) == needed.pair.stem for row in work.recovered)
    if _has_pair(work, needed, force=force):
        return Part("certificate", path, made=recovered)
    check(needed.pair.directory)
    trust(needed.pair.directory, ())
    for outcome in issue(work, [needed], force=force):
        if isinstance(outcome, Refused):
            raise outcome.error
    return Part("certificate", path, made=True)


def _restored(work: Transaction) -> Iterator[Part]:
    """Put back what the certificate directory lacks beside the pair: CA certificates, CRLs, hash links."""
    directory = work.site.certificates
    if missing := work.beside(directory):
        write_all(missing)
        work.published()
        yield Part("CA certificates and CRLs", directory, made=True)


def _has_pair(work: Transaction, needed: CertificateRequest, *, force: bool) -> bool:
    """Tell whether the hub has a certificate that its client hosts accept.

    Raises:
        ExistsError: one that they refuse, or half a pair; not with ``force``.
    """
    path = needed.pair.certificate
    try:
        found = pair_in_use(needed.pair, work.now, work.known_inventory)
        if found and (fault := _refused_by_clients(work, needed.host, found)):
            hint = f"to replace it: smtpcreds setup {quote(needed.host)} --force"
            raise ExistsError(path, f"{fault}; it was not changed", hint)
    except ExistsError:
        if not force:
            raise
        return False
    return found is not None


def _refused_by_clients(work: Transaction, host: str, certificate: Certificate) -> str | None:
    """Return why client hosts that trust this authority refuse the hub's certificate."""
    if not any(is_issued_by(certificate, ca) for ca in work.ca.trusted):
        issuer = certificate.issuer.rfc4514_string()
        return f"is of {issuer}, which client hosts of this authority do not trust"
    return name_fault(certificate, [host]) or role_fault(certificate, SERVER.purposes)


def _account(work: Transaction, wanted: Hub, secrets: Secrets, *, allow_login_name: bool) -> Part:
    accounts = work.accounts()
    is_new = wanted.account not in accounts
    if is_new:
        accounts.add(wanted.account, secrets.password, allow_login_name=allow_login_name)
    return Part(f"account {wanted.account}", accounts.database, made=is_new)


def _auth_info(work: Transaction, wanted: Hub, *, is_new: bool) -> Iterator[Part]:
    """Write the file for client hosts; nothing where it is gone and a hashed account can't give it back."""
    accounts, path = work.accounts(), wanted.auth_info
    sweep_target(path)
    if not (is_new or exists(path) or is_readable(accounts, wanted.account)):
        return
    if check_target(path) is not None and is_new:
        reason = f"holds a secret of {wanted.account}, which is not in the database; it was not changed"
        hint = f"to have a new secret made: rm {quote(path)} && smtpcreds setup {quote(wanted.host)}"
        raise ExistsError(path, reason, hint)
    try:
        credential = accounts.credential(wanted.account)
        ensure_directory(os.path.dirname(path))
        made = follow(accounts, wanted.account) or write_auth_info(credential, path)
    except PasswordRefusedError:
        made = False
    except ExistsError:
        reason = f"holds other credentials than those of {wanted.account}, and was not changed"
        hint = f"smtpcreds sasl auth-info {accounts.shown(wanted.account)} --to {quote(path)} --force"
        raise ExistsError(path, reason, hint) from None
    yield Part("default-auth-info", path, made)


def _configuration(site: Site) -> Part:
    path = site.settings_path
    sweep_target(path)
    is_new = not exists(path)
    if is_new:
        ensure_directory(os.path.dirname(path), 0o755, tighten=False)
        text = _settings_text(site)
        write_all([Artifact(path, text.encode(), 0o644, note=text.replace("\n", "; ").rstrip("; "))])
    return Part("configuration", path, is_new)


def _settings_text(site: Site) -> str:
    """Return what the file says of a hub, whatever its mail program."""
    return f'domain = "{site.settings.domain}"\nhub = "{site.settings.hub}"\n'


def _completed(site: Site, applied: Applied) -> Applied:
    """Add to the file that this run made what the mail program's copies need; return what is left to add.

    If it says anything else by now, somebody edited it, and it is left alone.
    """
    lacking = [include for include in applied.includes if include.path == site.settings_path]
    text = _settings_text(site)
    if not lacking or read_public(site.settings_path) != text.encode():
        return applied
    lines = "".join(f"{line}\n" for include in lacking for line in include.text)
    write_all([Artifact(site.settings_path, f"{text}\n[sasl]\n{lines}".encode(), 0o644)])
    rest = tuple(include for include in applied.includes if include not in lacking)
    return replace(applied, includes=rest)
