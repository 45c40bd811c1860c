"""A client host from a bundle: certificates, configuration, and the files of its mail program."""

import os
from dataclasses import dataclass, replace

from ..accounts import AccountBook
from ..authority.answers import Answer
from ..authority.install import certificate_file
from ..authority.layout import CRL, pair_of
from ..bundle.opening import Opened
from ..bundle.settings import merged
from ..config import Site
from ..config.host import host_name
from ..deploy.credentials import secret_for
from ..deploy.gather import gather
from ..deploy.place import Applied, apply
from ..deploy.wishes import Wishes
from ..errors import DataError, UsageError
from ..files import ensure_directory, exists, sweep, write_all
from ..model import Artifact
from ..mta.port import Material, Need, Program
from ..pki.pem import encode_certificates
from ..secret import Secret
from ..transaction import Transaction
from .client_pair import install_pair, warn_of_ended_lists
from .hub import Part


@dataclass(frozen=True, slots=True)
class Client:
    """A client host that is to stand.

    Attributes:
        site: with the hub's settings.
        lacking: lines that its own configuration file does not have.
        answer: its certificate, and where that goes.
        opened: the bundle.
        program: its mail program.
        wishes: of the program's files, with the secret of the bundle.
    """

    site: Site
    lacking: tuple[str, ...]
    answer: Answer
    opened: Opened
    program: Program
    wishes: Wishes

    @property
    def material(self) -> Material:
        """What the host's certificate files will say."""
        opened = self.opened
        pem = certificate_file(opened.certificate, opened.above)
        crl = b"".join(item.content for item in opened.lists if item.name == CRL)
        return Material(opened.key or Secret(b""), pem, encode_certificates(opened.trust), crl)


@dataclass(frozen=True, slots=True)
class Ready:
    """A client host that stands: its parts, what is left to do by hand, and how its program is used."""

    parts: tuple[Part, ...]
    applied: Applied
    usage: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Tell whether this run made anything."""
        return any(part.made for part in self.parts) or any(written for _, written in self.applied.files)


def client(site: Site, opened: Opened, program: Program | None = None) -> Client:
    """Settle what a bundle means on this host.

    Args:
        site: of this host.
        opened: the bundle.
        program: the mail program that the administrator named.

    Raises:
        UsageError: the bundle is for another program, or this host has another hub.
        DataError: a file that the program does not have, or lacks.
    """
    if program is not None and program is not opened.program:
        hint = f"on the hub: smtpcreds bundle {opened.label.host} --mta {program.NAME}"
        raise UsageError(program.NAME, f"is not what the bundle is for: {opened.program.NAME}", hint)
    settings, lacking = merged(site.settings, opened.settings)
    if site.settings.hub and site.hub != settings.hub:
        reason = f"has the hub {site.hub}, and the bundle is of {settings.hub}"
        raise UsageError(site.settings_path, reason, "change hub there first")
    here = replace(site, settings=settings)
    pair = pair_of(here, opened.label.host)
    answer = Answer(opened.label.host, pair, opened.certificate, opened.above)
    made = Client(here, tuple(lacking), answer, opened, opened.program, _wishes(here, opened))
    _verify_files(made)
    _warn(made)
    return made


def set_up_client(work: Transaction, wanted: Client, *, force: bool = False) -> Ready:
    """Put in place what is missing; of a finished client host nothing.

    Raises:
        ExistsError: another valid certificate, or a file that is not ours, and ``force`` is not given.
        MissingInputError: the bundle has no key, and neither has this host.
    """
    site = wanted.site
    is_new = install_pair(work, wanted.answer, wanted.opened, force=force)
    parts = (
        Part("certificate", wanted.answer.pair.certificate, is_new),
        Part("configuration", site.settings_path, _configured(wanted)),
    )
    facts = gather(site, wanted.program, wanted.wishes)
    applied = apply(work, wanted.program, facts, force=force)
    return Ready(parts, applied, wanted.program.work(facts).usage)


def _wishes(site: Site, opened: Opened) -> Wishes:
    """Return the wishes, with the secret that the bundle's files hold."""
    wishes = Wishes(host=opened.label.host, fingerprint=opened.label.fingerprint or None)
    if Need.CREDENTIAL not in opened.program.NEEDS:
        return wishes
    account = AccountBook(site).parse(site.settings.sasl.account)
    secret = secret_for(opened.program, account, opened.files)
    if secret is None:
        raise DataError(opened.name, f"has no secret of {account}")
    return replace(wishes, secret=lambda: secret)


def _verify_files(wanted: Client) -> None:
    """Accept a bundle that has just the files of its program."""
    facts = gather(wanted.site, wanted.program, wanted.wishes, wanted.material)
    expected = {item.path for item in wanted.program.render(facts)}
    for path in sorted(wanted.opened.files.keys() - expected):
        raise DataError(wanted.opened.name, f"{path[1:]} is no file of {wanted.program.NAME}")
    for path in sorted(expected - wanted.opened.files.keys()):
        raise DataError(wanted.opened.name, f"lacks {path[1:]}")


def _warn(wanted: Client) -> None:
    """Tell what does not stop the run."""
    warn_of_ended_lists(wanted.site, wanted.opened)
    site, host = wanted.site, wanted.opened.label.host
    here = site.qualify(host_name(site.root))
    if here != host:
        site.warn(f"{wanted.opened.name}: is for {host}, and this host is {here}")
    if exists(site.settings_path) and wanted.lacking:
        site.warn(f"{site.settings_path}: other commands need what the hub says: {'; '.join(wanted.lacking)}")


def _configured(wanted: Client) -> bool:
    """Write the configuration of a host that has none; tell whether it had none."""
    path = wanted.site.settings_path
    if exists(path):
        return False
    ensure_directory(os.path.dirname(path), 0o755, tighten=False)
    sweep(os.path.dirname(path))
    content = wanted.opened.settings_text
    write_all([Artifact(path, content, 0o644, note="; ".join(wanted.lacking))])
    return True
