"""``smtpcreds setup`` and ``bundle``: from arguments to what the verbs take."""

from dataclasses import replace
from typing import TYPE_CHECKING

from ..config import Site
from ..errors import DeniedError, UsageError
from ..files import read_public
from ..secret import Secret
from ..transaction import looked_at, transaction
from .accounts import new_secret

if TYPE_CHECKING:
    from ..bundle import install
    from ..bundle.backup import OpenedBackup
    from ..bundle.make import BundleRequest, Delivery
    from ..bundle.open import Opened
    from ..deploy.options import RenderOptions
    from ..hub import Ready


def set_up_hub(
    site: Site,
    host: str,
    account: str | None,
    secret: Secret | None,
    passphrase: Secret | None,
    mta: str | None,
    *,
    allow_login_name: bool,
    allow_weak: bool,
    force: bool,
    preview: bool,
) -> "Ready":
    """See :meth:`.site.Site.set_up`."""
    from ..hub import Secrets, hub, set_up
    from ..mta.program import Role
    from ..mta.programs import program_for

    wanted = hub(site, host, account)
    question = new_secret(wanted.site, wanted.account, secret, None, allow_weak=allow_weak)
    secrets = Secrets(lambda: passphrase, question)
    programs = [program_for(mta, Role.HUB)] if mta else []

    def run(here: Site, *, preview: bool) -> "Ready":
        with transaction(here, preview=preview, passphrase=lambda: passphrase) as work:
            return set_up(work, wanted, secrets, programs, allow_login_name=allow_login_name, force=force)

    if programs and not preview:
        quiet = replace(wanted.site, warn=lambda _: None)
        looked_at(quiet, lambda: run(quiet, preview=True))  # a refusal comes before the first change
    return run(wanted.site, preview=preview)


def read_bundle(site: Site, path: str, passphrase: Secret | None) -> "Opened":
    """Read, decrypt and verify a bundle.

    Raises:
        DeniedError: it is encrypted, and there is no passphrase.
    """
    from ..bundle import archive
    from ..bundle.open import open_bundle

    data = read_public(path)
    if archive.is_encrypted(data):
        if passphrase is None:
            raise DeniedError(path, "is encrypted and no passphrase was given", "give its passphrase")
        data = archive.decrypt(data, passphrase, path)
    return open_bundle(site, data, path)


def read_backup(site: Site, path: str, passphrase: Secret | None) -> "OpenedBackup":
    """Read, decrypt and verify a backup.

    Raises:
        DeniedError: it is encrypted, and there is no passphrase.
    """
    from ..bundle.archive import decrypt, is_encrypted
    from ..bundle.backup import MAX_BACKUP, open_backup
    from ..files.guard import read_public

    data = read_public(path, MAX_BACKUP)
    if is_encrypted(data):
        if passphrase is None:
            raise DeniedError(path, "is encrypted and no passphrase was given", "give its passphrase")
        data = decrypt(data, passphrase, path, "smtpcreds ca restore -")
    return open_backup(site, data, path)


def set_up_client(
    site: Site, opened: "Opened", mta: str | None, *, force: bool, preview: bool
) -> "install.Ready":
    """See :meth:`.site.Site.set_up_client`."""
    from ..bundle.install import client, set_up_client
    from ..mta.program import Role
    from ..mta.programs import program_for

    wanted = client(site, opened, program_for(mta, Role.CLIENT) if mta else None)
    with transaction(wanted.site, preview=preview) as work:
        return set_up_client(work, wanted, force=force)


def bundle_request(
    site: Site,
    host: str,
    mta: str,
    options: "RenderOptions | None",
    csr: str | None,
    *,
    new_key: bool,
    with_key: bool,
    days: int | None,
) -> "BundleRequest":
    """Return what a bundle is to hold; of a request only the name of the host is taken."""
    from ..bundle.contents import CertificateOptions as Terms
    from ..bundle.make import BundleRequest
    from ..ca.issue import CertificateOptions, order
    from ..ca.requests import read_petition
    from ..deploy.options import RenderOptions
    from ..mta.program import Role
    from ..mta.programs import program_for
    from ..pki.profiles import CLIENT

    if sum((csr is not None, new_key, not with_key)) > 1:
        raise UsageError("csr, new_key, with_key", "contradict each other; give one of them")
    wanted = order(site, host, CertificateOptions(days=days))
    asked = read_petition(site, csr, CLIENT, days=days, only=(wanted.host,)) if csr else None
    terms, rendered = Terms(csr is not None, new_key, with_key), options or RenderOptions()
    program, given = program_for(mta, Role.CLIENT), replace(rendered, host=host)
    return BundleRequest(wanted, program, given, terms, asked, days=days)


def bundle_delivery(
    path: str, passphrase: Secret | None, recipients: tuple[str, ...], *, force: bool
) -> "Delivery":
    """Return where a bundle goes, and how it is encrypted."""
    from ..bundle import archive
    from ..bundle.make import Delivery, Encryption

    if passphrase and recipients:
        raise UsageError("recipients", "age opens a file by keys or by a passphrase, not by both")
    if recipients:
        archive.check_recipients(recipients)
    if passphrase:
        archive.check_available()
    return Delivery(Encryption((lambda: passphrase) if passphrase else None, recipients), path, force)
