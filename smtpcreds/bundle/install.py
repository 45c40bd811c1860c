"""A client host from a bundle: certificates, configuration, and the files of its mail program."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import replace

from ..accounts.database import AccountDatabase
from ..ca.answers import Answer, install
from ..ca.authority import Listed, authority_of
from ..ca.crl import crl_paths
from ..ca.directory import (
    certificate_file,
    check,
    joined,
    leftovers,
    others_lists,
    prepare,
    trust_changes,
)
from ..ca.layout import ALL_CRLS, pair_of
from ..ca.pair import key_id, refuse_existing_pair
from ..config import Settings, Site
from ..deploy.apply import Applied, apply, refuse_commands
from ..deploy.facts import gather, secret_for
from ..deploy.options import RenderOptions
from ..deploy.own import SERVERS, installed_servers
from ..deploy.role import further, hubs, is_named, of_others, remember_hub
from ..errors import DataError, ExistsError, MissingInputError, UsageError
from ..files import (
    check_target,
    ensure_directory,
    exists,
    link_target,
    names_in,
    read_certificate,
    read_public,
    remove,
    sweep_target,
    write_all,
)
from ..hub import Part
from ..lazy import dataclass
from ..model import Artifact, Link
from ..mta import placed
from ..mta.program import Material, Need, Program
from ..pki.crl import Crl, is_crl_of, read_crl
from ..pki.describe import purposes_of
from ..pki.encoding import encode_certificates
from ..pki.keys import public_id
from ..pki.profiles import HOST_PROFILES, RELAY
from ..pki.values import Certificate
from ..secret import Secret
from ..shell import quote
from ..transaction import Transaction
from .contents import grown, merged, settings_text
from .open import Opened
from .trusted import former_authorities, remember_authorities

# The certificate directory of a client host: CA, CRLs, key and certificate of a bundle.

_BY_ROLES = {profile.purposes: profile for profile in HOST_PROFILES.values()}


def install_pair(work: Transaction, answer: Answer, opened: Opened, *, force: bool) -> bool:
    """Write what is missing, and record the certificate; tell whether anything was.

    The key waits beside the one in use until its certificate is there, so that a killed run is completed.
    """
    site = work.site
    check(answer.pair.directory)
    around = _around(site, opened)
    is_complete = _is_complete(work, answer, opened, force=force)
    remember_authorities(work, opened.trust)
    if is_complete:
        if around:
            prepare(site, answer.pair.directory)
            write_all(around)
        return _removed_lists(site, opened) or bool(around)
    _ = work.inventory
    prepare(site, answer.pair.directory)
    if opened.key:
        write_all([Artifact(answer.pair.next_key, opened.key.reveal())])
    profile = _BY_ROLES.get(purposes_of(opened.certificate), RELAY)
    install(work, answer, profile, around, "setup")
    _removed_lists(site, opened)
    return True


def _removed_lists(site: Site, opened: Opened) -> bool:
    """Remove the CRLs of an earlier bundle where this one brings none, for nothing refreshes them.

    So go those of authorities that are trusted no more, and their hash links.
    """
    directory = site.certificates
    if authority_of(site).is_there:  # their own host's affair
        return False
    gone = [] if opened.lists else list(_without_lists(site, opened))
    gone += leftovers(directory, (*opened.lists, *others_lists(directory, opened.trust)))
    for path in dict.fromkeys(gone):
        remove(path)
    return bool(gone)


def _without_lists(site: Site, opened: Opened) -> Iterator[str]:
    directory = site.certificates
    issuers = (*opened.trust, *former_authorities(site, opened.trust))
    own = [path for path in crl_paths(directory) if _is_of(path, issuers)]
    if not own:
        return
    names = {ALL_CRLS, *map(os.path.basename, own)}
    links = (f"{directory}/{name}" for name in names_in(directory))
    yield from (link for link in links if link_target(link) in names)
    yield from (*own, f"{directory}/{ALL_CRLS}")


def _is_of(path: str, issuers: Iterable[Certificate]) -> bool:
    crl = read_crl(read_certificate(path), path, None)
    return any(is_crl_of(crl, ca) for ca in issuers)


def _around(site: Site, opened: Opened) -> list[Artifact | Link]:
    """Return what of bundle, CRLs and links is missing; a CRL here that is newer than the bundle's stays.

    What signed for an earlier bundle of this hub, and is not in this one, is trusted no more.
    """
    return trust_changes(
        site.certificates, opened.trust, tuple(_newest(site, opened)), former_authorities(site, opened.trust)
    )


def _newest(site: Site, opened: Opened) -> Iterator[Listed]:
    for item in opened.lists:
        path = f"{site.certificates}/{item.name}"
        given = read_crl(item.content, item.name, None)
        here = read_certificate(path) if check_target(path) else None
        keep = here is not None and _number(read_crl(here, path, None)) > _number(given)
        yield Listed(item.name, item.issuer, here) if keep and here else item


def warn_of_ended_lists(site: Site, opened: Opened) -> None:
    """Warn of each CRL that will have ended once the bundle is in place."""
    for item in _newest(site, opened):
        if fault := read_crl(item.content, item.name, None).fault(site.clock()):
            site.warn(f"{opened.name}: its {item.name} {fault}; copy a new one from the hub")


def _number(crl: Crl) -> int:
    return -1 if crl.number is None else crl.number


def _is_complete(work: Transaction, answer: Answer, opened: Opened, *, force: bool) -> bool:
    """Tell whether nothing is missing, even if another run was at work before there was anything to lock."""
    if _is_in_place(answer, opened):
        return True
    try:
        _verify_place(work.site, answer, opened, force=force)
    except ExistsError:
        if not _is_in_place(answer, opened):
            raise
    work.lock()
    return _is_in_place(answer, opened)


def _is_in_place(answer: Answer, opened: Opened) -> bool:
    pair = answer.pair
    if not exists(pair.certificate) or key_id(pair.key) != public_id(opened.certificate):
        return False
    return read_certificate(pair.certificate) == certificate_file(answer.certificate, answer.above)


def _verify_place(site: Site, answer: Answer, opened: Opened, *, force: bool) -> None:
    pair, wanted = answer.pair, public_id(opened.certificate)
    check_target(pair.certificate)
    if opened.key is None:
        if wanted not in {key_id(pair.key), key_id(pair.next_key)}:
            reason = f"is not the key of the certificate in {opened.name}, which has none"
            again = f"smtpcreds bundle {quote(answer.host)} --new-key --force"
            raise MissingInputError(pair.key, reason, f"on the hub: {again}")
        return
    if force:
        return
    if exists(pair.next_key) and key_id(pair.next_key) != wanted:
        raise ExistsError(pair.next_key, "is a key that waits for its certificate", "--force to replace it")
    if key_id(pair.key) != wanted:
        if exists(pair.key):
            _refuse_to_replace(site)
        refuse_existing_pair(pair, answer.host, site.clock(), None)


def _refuse_to_replace(site: Site) -> None:
    """Accept that a certificate goes that programs of another hub show, unless both hubs are to stay."""
    for name, hub in of_others(site).items():
        reason = f"is of {hub}, and its certificate would be replaced by that of {site.hub}"
        hint = f'--force if {site.hub} has taken its place; else hub = "{hub}" in {site.settings_path}'
        raise ExistsError(name, reason, hint)


@dataclass(frozen=True)
class Client:
    """A client host that is to stand.

    Attributes:
        site: with the hub's settings.
        lacking: lines that its own configuration file does not have.
        configuration: its content, None where there is none, and what takes its place; None if it stays.
        answer: its certificate, and where that goes.
        opened: the bundle.
        program: its mail program.
        render_options: of the program's files, with the secret of the bundle.
    """

    site: Site
    lacking: tuple[str, ...]
    configuration: tuple[bytes | None, bytes] | None
    answer: Answer
    opened: Opened
    program: Program
    render_options: RenderOptions

    @property
    def material(self) -> Material:
        """What the host's certificate files will say."""
        opened = self.opened
        pem = certificate_file(opened.certificate, opened.above)
        lists = joined(item.content for item in _newest(self.site, opened))
        return Material(opened.key or Secret(b""), pem, encode_certificates(opened.trust), lists)


@dataclass(frozen=True)
class Ready:
    """A client host that stands: its parts, and the files of its mail program."""

    parts: tuple[Part, ...]
    applied: Applied

    @property
    def changed(self) -> bool:
        """Tell whether this run made anything."""
        return any(part.made for part in self.parts) or self.applied.changed


def client(site: Site, opened: Opened, program: Program | None = None) -> Client:
    """Settle what a bundle means on this host.

    Args:
        site: of this host.
        opened: the bundle.
        program: the mail program that the administrator named.
    """
    if program is not None and program is not opened.program:
        host = quote(opened.label.host)
        hint = f"on the hub: smtpcreds bundle {host} --mta {program.NAME} --new-key --force"
        raise UsageError(program.NAME, f"is not what the bundle is for: {opened.program.NAME}", hint)
    is_further = bool(site.settings.hub) and site.hub != opened.settings.hub
    if is_further:
        _verify_further(site, opened)
    settings, lacking = (
        (further(site, opened.settings), []) if is_further else merged(site.settings, opened.settings)
    )
    if settings.mta.crl and not opened.lists:
        settings = settings._replace(mta=settings.mta._replace(crl=False))
        lacking.append("mta.crl = false")
    here = replace(site, settings=settings)
    pair = pair_of(here, opened.label.host)
    answer = Answer(opened.label.host, pair, opened.certificate, opened.above)
    text = None if is_further else _configuration(site, opened, settings)
    wishes = _wishes(here, opened, settings.hub if is_further or is_named(site, opened.program) else None)
    made = Client(here, () if is_further else tuple(lacking), text, answer, opened, opened.program, wishes)
    _verify_files(made)
    _warn(made)
    return made


def _verify_further(site: Site, opened: Opened) -> None:
    """Accept the bundle of another hub than the configured one, beside which its mail program is to work.

    Raises:
        UsageError: the program is of the configured hub, or none is; or a second hub is to be fetched from.
    """
    hub, own, host = opened.settings.hub, hubs(site), opened.label.host
    is_of_it = own.get(opened.program.NAME, hub) == hub
    if not is_of_it or set(own.values()) <= {hub} - {site.hub}:
        reason = f"has the hub {site.hub}, and the bundle is of {hub}"
        raise UsageError(site.settings_path, reason, "change hub there first")
    if opened.fetching:
        reason = f"fetches its bundles from {hub}, and a host fetches from one hub alone, which is {site.hub}"
        hint = f"on {hub}: smtpcreds bundle {host} --mta {opened.program.NAME} --new-key -o FILE"
        raise UsageError(opened.name, reason, hint)


def set_up_client(
    work: Transaction, wanted: Client, *, force: bool = False, edit: bool = False, run: bool = False
) -> Ready:
    """Put in place what is missing; of a finished client host nothing.

    Args:
        work: on the site of ``wanted``.
        wanted: what the bundle means here.
        force: replace another certificate, and files that are not ours.
        edit: the administrator's files, too, so that the mail program reads ours.
        run: the commands that make the files effective.
    """
    site = wanted.site
    if run:
        refuse_commands(site)
    remember_hub(work, wanted.program, settings_text(site.settings).decode())
    is_new = install_pair(work, wanted.answer, wanted.opened, force=force)
    parts = (
        Part("certificate", wanted.answer.pair.certificate, is_new),
        Part("configuration", site.settings_path, _configured(wanted)),
        *_fetching(wanted),
    )
    applied = apply(work, wanted.program, wanted.render_options, force=force, edit=edit, run=run)
    return Ready(parts, applied)


def _wishes(site: Site, opened: Opened, hub: str | None) -> RenderOptions:
    """Return the wishes, with the secret that the bundle's files hold; a hub that is named stays named."""
    fingerprint = opened.label.fingerprint or None
    render_options = RenderOptions(host=opened.label.host, hub=hub, fingerprint=fingerprint)
    if Need.CREDENTIAL not in opened.program.NEEDS:
        return render_options
    account = AccountDatabase(site).parse(site.settings.sasl.account)
    secret = secret_for(opened.program, account, placed.understood(opened.files))
    if secret is None:
        raise DataError(opened.name, f"has no secret of {account}")
    return replace(render_options, secret=lambda: secret)


def _verify_files(wanted: Client) -> None:
    """Accept a bundle that has just the files of its program."""
    facts = gather(wanted.site, wanted.program, wanted.render_options, wanted.material)
    expected = {item.path for item in wanted.program.render(facts)}
    for path in sorted(placed.understood(wanted.opened.files).keys() - expected):
        raise DataError(wanted.opened.name, f"{path[1:]} is not a file of {wanted.program.NAME}")
    for path in sorted(expected - placed.understood(wanted.opened.files).keys()):
        raise DataError(wanted.opened.name, f"lacks {path[1:]}")


def _warn(wanted: Client) -> None:
    """Tell what does not stop the run."""
    warn_of_ended_lists(wanted.site, wanted.opened)
    site, host = wanted.site, wanted.opened.label.host
    here = site.qualify(site.own_name)
    if here != host:
        site.warn(f"{wanted.opened.name}: is for {host}, and this host is {here}")
    family, there = wanted.program.NAME.removesuffix("-client"), installed_servers(site)
    if family in SERVERS and there and family not in there:
        what = f"is for {family}, and this host has {' and '.join(there)}"
        again = f"on the hub, the same command again with --mta {there[0]}"
        site.warn(f"{wanted.opened.name}: {what}; {again}")
    if wanted.configuration is None and wanted.lacking:
        site.warn(f"{site.settings_path}: other commands need what the hub says: {'; '.join(wanted.lacking)}")


def _fetching(wanted: Client) -> Iterator[Part]:
    """Write what fetches the next bundle."""
    due = []
    for item in wanted.opened.fetching:
        path = wanted.site.path(item.path)
        there = check_target(path) is not None and read_public(path) == item.content
        yield Part("fetching", path, not there)
        if not there:
            ensure_directory(os.path.dirname(path), 0o755, tighten=False)
            due.append(replace(item, path=path))
    write_all(due)


def _configured(wanted: Client) -> bool:
    """Write the configuration of a host that has none, or not all of it; tell whether that was so."""
    path = wanted.site.settings_path
    sweep_target(path)
    there = read_public(path) if exists(path) else None
    if wanted.configuration is None or wanted.configuration[0] != there:
        return False
    ensure_directory(os.path.dirname(path), 0o755, tighten=False)
    write_all([Artifact(path, wanted.configuration[1], 0o644, note="; ".join(wanted.lacking))])
    return True


def _configuration(site: Site, opened: Opened, settings: Settings) -> tuple[bytes | None, bytes] | None:
    if not exists(site.settings_path):
        return None, opened.settings_text
    text = read_public(site.settings_path)
    more = grown(text, site.settings, settings)
    return (text, more) if more not in {None, text} else None
