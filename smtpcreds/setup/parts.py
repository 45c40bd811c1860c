"""The parts of a hub, each with what is missing of it and how to make that."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from ..accounts import AccountBook
from ..authority.ca import certificates, has_authority
from ..authority.create import new_authority, plan_create
from ..authority.install import check, trust
from ..authority.issue import Refused, plan_issue
from ..authority.layout import ca_files
from ..authority.orders import Wishes, order
from ..authority.reading import looking, unsettled
from ..authority.standing import valid_pair
from ..deploy import plan_auth_info
from ..deploy.clients import is_readable
from ..errors import ExistsError, NameRefusedError, NoSuchAccountError, PasswordRefusedError
from ..files import check_target, ensure_directory, exists, write_all
from ..model import Artifact, Plan, Step
from ..names import is_within
from .hub import Hub, Secrets
from .settings import settings_text


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One part, as it was found.

    Attributes:
        what: for people.
        path: its file, there or not.
        steps: empty where nothing is missing.
        make: takes the steps, looking again.
        ask: gets the secrets that ``make`` needs, so that a wrong answer comes before the first change.
    """

    what: str
    path: str
    steps: Sequence[Step] = ()
    make: Callable[[], object] = nothing
    ask: Callable[[], object] = nothing


def pieces(wanted: Hub, secrets: Secrets, *, allow_login_name: bool) -> list[Piece]:
    """Look at every part, in the order of making; the first to need a passphrase comes first."""
    before = [_authority(wanted, secrets), _certificate(wanted, secrets)]
    account = _account(wanted, secrets, allow_login_name=allow_login_name)
    return [
        *before,
        account,
        *_auth_info(wanted, is_new=bool(account.steps)),
        _configuration(wanted),
    ]


def _authority(wanted: Hub, secrets: Secrets) -> Piece:
    site = wanted.site
    path = ca_files(site).certificate
    if has_authority(site):
        certificates(site)
        return Piece("authority", path)
    new = new_authority(site)
    if new.permitted_domains and not any(is_within(wanted.host, domain) for domain in new.permitted_domains):
        reason = f"lies outside what the new CA is to certify ({', '.join(new.permitted_domains)})"
        raise NameRefusedError(wanted.host, reason, f"set ca.permitted_domains in {site.settings_path}")

    def make() -> None:
        plan_create(site, new, secrets.new_passphrase()).apply()

    return Piece("authority", path, plan_create(site, new, None).steps, make, secrets.new_passphrase)


def _certificate(wanted: Hub, secrets: Secrets) -> Piece:
    site = wanted.site
    needed = order(site, wanted.host, Wishes())
    path = needed.pair.certificate
    with looking(site) as inventory:
        if needed.pair.stem in unsettled(site, inventory):
            return Piece("certificate", path, (Step("finish", path, 0o600),))
    if valid_pair(needed.pair, site.clock()):
        return Piece("certificate", path)
    check(needed.pair.directory)
    trust(needed.pair.directory, ())
    steps: Sequence[Step] = (Step("write", needed.pair.key, 0o600), Step("write", path, 0o600))
    if has_authority(site):
        steps = plan_issue(site, [needed], secrets.passphrase).steps

    def make() -> None:
        for outcome in plan_issue(site, [needed], secrets.passphrase).apply():
            if isinstance(outcome, Refused):
                raise outcome.error

    return Piece("certificate", path, steps, make)


def _account(wanted: Hub, secrets: Secrets, *, allow_login_name: bool) -> Piece:
    book = AccountBook(wanted.site)
    what = f"account {wanted.account}"
    try:
        book.entry(wanted.account)
    except NoSuchAccountError:
        plan = book.plan_add(wanted.account, secrets.password, allow_login_name=allow_login_name)
        return Piece(what, book.database, plan.steps, plan.apply, secrets.password)
    return Piece(what, book.database)


def _auth_info(wanted: Hub, *, is_new: bool) -> Iterator[Piece]:
    """Yield the file for client hosts; nothing where it is gone and a hashed account can't give it back."""
    path = wanted.auth_info
    if not (is_new or exists(path) or is_readable(AccountBook(wanted.site), wanted.account)):
        return
    if check_target(path) is not None and is_new:
        reason = f"holds a secret of {wanted.account}, which is not in the database; it was left alone"
        raise ExistsError(path, reason, "remove it to have a new secret made")
    steps = (Step("write", path, 0o600),) if is_new else _plan_auth_info(wanted).steps
    yield Piece("default-auth-info", path, steps, lambda: _write_auth_info(wanted))


def _plan_auth_info(wanted: Hub) -> Plan[bool]:
    book, path = AccountBook(wanted.site), wanted.auth_info
    try:
        return plan_auth_info(book.credential(wanted.account), path)
    except PasswordRefusedError:
        return Plan((), lambda: False)
    except ExistsError:
        reason = f"holds other credentials than those of {wanted.account}, and was left alone"
        hint = f"smtpcreds sasl auth-info {book.shown(wanted.account)} --to {path} --force"
        raise ExistsError(path, reason, hint) from None


def _write_auth_info(wanted: Hub) -> None:
    ensure_directory(os.path.dirname(wanted.auth_info))
    _plan_auth_info(wanted).apply()


def _configuration(wanted: Hub) -> Piece:
    site = wanted.site
    path = site.settings_path
    text = settings_text(site)

    def make() -> None:
        ensure_directory(os.path.dirname(path), 0o755, tighten=False)
        write_all([Artifact(path, text.encode(), 0o644)])

    if not exists(path):
        note = text.replace("\n", "; ").rstrip("; ")
        return Piece("configuration", path, (Step("write", path, 0o644, note),), make)
    return Piece("configuration", path)
