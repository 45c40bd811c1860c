"""A bundle on the client host: everything is verified before anything is written.

It comes from elsewhere, so nothing in it is believed: which paths it may have follows from the mail program,
which settings from a list, and the certificate has to fit the key, the host and the CA that come with it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..ca.authority import Listed
from ..ca.layout import ALL_CRLS, BUNDLE, pair_of
from ..config import Settings, Site
from ..errors import DamagedFileError, DataError, UsageError
from ..mta.program import Program, Role
from ..mta.programs import program_for
from ..names import is_qualified, parse_host
from ..pki.chains import is_link_name, verify_chain
from ..pki.crl import is_crl_of, read_crl
from ..pki.encoding import parse_certificates
from ..pki.keys import decode_key
from ..pki.pair_rules import certificate_of
from ..pki.profiles import Purpose
from ..pki.values import Certificate
from ..secret import Secret
from .archive import README, SETTINGS, Kind, Label, Member, unpack
from .contents import OURS, read_settings

_PATH = re.compile(r"[A-Za-z0-9_+][A-Za-z0-9._+-]*(/[A-Za-z0-9_+][A-Za-z0-9._+-]*)*")
_CRL = re.compile(r"crl(-[0-9a-f]{8})?\.pem")
_LOOSE = 0o022
_SPECIAL = ~0o777


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle that was verified.

    Attributes:
        name: of its file, for messages.
        label: whom it is for.
        program: that it is for.
        settings: of the hub's, as far as a client host is concerned.
        settings_text: the same as TOML.
        certificate: the host's.
        above: the CA certificates from its issuer to the root.
        key: PEM; None where the host has it.
        trust: all CA certificates.
        lists: their CRLs.
        files: the program's, by absolute path.
    """

    name: str
    label: Label
    program: Program
    settings: Settings
    settings_text: bytes
    certificate: Certificate
    above: tuple[Certificate, ...]
    key: Secret | None = field(repr=False)
    trust: tuple[Certificate, ...]
    lists: tuple[Listed, ...]
    files: Mapping[str, bytes] = field(repr=False)


def open_bundle(site: Site, data: bytes, name: str) -> Opened:
    """Read and verify a bundle.

    Args:
        site: of the client host; its configured directory is where certificates may go.
        data: the archive, decrypted.
        name: of its file, for messages.
    """
    label, members = unpack(data, name)
    program = _program(label, name)
    host = parse_host(label.host)
    if not is_qualified(host) or host != label.host:
        raise DataError(name, f"is for {label.host}, which is not a full host name")
    verified = _verified(members, site.settings.cert.directory, name)
    settings = read_settings(_of(verified, SETTINGS, name), f"{name}: {SETTINGS}")
    if settings.cert.directory != site.settings.cert.directory:
        reason = f"has certificates for {settings.cert.directory}, and here they are in"
        hint = f"set cert.directory in {site.settings_path} to the hub's"
        raise DataError(name, f"{reason} {site.settings.cert.directory}", hint)
    return _papers(site, verified, label, program, settings, name)


def _program(label: Label, name: str) -> Program:
    try:
        return program_for(label.program, Role.CLIENT)
    except UsageError as error:
        raise DataError(name, str(error), error.hint) from None


def _papers(
    site: Site,
    files: dict[str, bytes],
    label: Label,
    program: Program,
    settings: Settings,
    name: str,
) -> Opened:
    directory = site.settings.cert.directory.lstrip("/")
    pair = pair_of(_of_domain(site, settings), label.host, directory)
    left = dict(files)
    trust = parse_certificates(_taken(left, f"{directory}/{BUNDLE}", name), f"{name}: {BUNDLE}").certificates
    held = parse_certificates(
        _taken(left, pair.certificate, name), f"{name}: {pair.certificate}"
    ).certificates
    key = left.pop(pair.key, None)
    if key is not None:
        subject = f"{name}: {pair.key}"
        certificate_of(decode_key(key, None, subject), held[:1], subject, "its certificate")
    path = verify_chain(held[0], held[1:], trust, site.clock(), (Purpose.CLIENT,), label.host)
    left.pop(f"{directory}/{ALL_CRLS}", None)  # made anew from the others, which are verified
    names = [member for member in left if member.rpartition("/")[0] == directory]
    lists = tuple(_list(left.pop(member), member.rpartition("/")[2], trust, name) for member in names)
    for path_of_text in (README, SETTINGS):
        _taken(left, path_of_text, name)
    rest = {f"/{member}": content for member, content in left.items()}
    secret = None if key is None else Secret(key)
    text = files[SETTINGS]
    return Opened(name, label, program, settings, text, held[0], path[1:], secret, trust, lists, rest)


def _of_domain(site: Site, settings: Settings) -> Site:
    """Return the site as the hub names its hosts."""
    from dataclasses import replace

    return replace(site, settings=site.settings._replace(domain=settings.domain))


def _list(content: bytes, file: str, trust: Iterable[Certificate], name: str) -> Listed:
    subject = f"{name}: {file}"
    if not _CRL.fullmatch(file):
        raise DataError(subject, "is not a file that a certificate directory of smtpcreds has")
    crl = read_crl(content, subject, None)
    issuer = next((ca for ca in trust if is_crl_of(crl, ca)), None)
    if issuer is None:
        raise DataError(subject, f"is of {crl.issuer}, whose certificate is not in {BUNDLE}")
    return Listed(file, issuer, content)


def _verified(members: Iterable[Member], directory: str, name: str) -> dict[str, bytes]:
    """Return the files by path, after every rule that a single member can break."""
    found: dict[str, bytes] = {}
    seen: set[str] = set()
    for member in members:
        if fault := _fault(member, directory.lstrip("/")):
            raise DataError(name, f"{ascii(member.path[:100])[1:-1]} {fault}, which no bundle has")
        if member.path in seen:
            raise DataError(name, f"{member.path} is in it twice")
        seen.add(member.path)
        if member.kind is Kind.FILE:
            found[member.path] = member.content
    return found


def _fault(member: Member, certificates: str) -> str | None:
    """Return what is wrong with a member."""
    if not _PATH.fullmatch(member.path):
        return "is a path that leads elsewhere" if ".." in member.path else "is not a plain relative path"
    if member.kind is Kind.LINK:
        is_hash = member.directory == certificates and is_link_name(member.name)
        led = member.target == BUNDLE or _CRL.fullmatch(member.target)
        return None if is_hash and led else f"is a symbolic link to {ascii(member.target[:60])[1:-1]}"
    if member.mode & _SPECIAL or member.mode & _LOOSE:
        return f"has mode {member.mode:04o}"
    if member.kind is Kind.DIRECTORY and member.path != certificates and member.name != OURS:
        return "is a directory"
    return None


def _of(files: Mapping[str, bytes], path: str, name: str) -> bytes:
    if path not in files:
        raise DamagedFileError(name, f"lacks {path}")
    return files[path]


def _taken(files: dict[str, bytes], path: str, name: str) -> bytes:
    _of(files, path, name)
    return files.pop(path)
