"""Certificates in another form: of hosts, for programs that do not read ours.

Of the authority, for clients.
"""

from collections.abc import Callable
from dataclasses import field

from ..errors import DamagedFileError, ExistsError, MissingInputError, UsageError
from ..files import check_parents, exists, read_private, remove, require_directory, sweep_target, write_all
from ..lazy import dataclass
from ..model import Artifact
from ..pki.chains import climb, is_self_signed
from ..pki.encoding import encode_certificates, encode_der
from ..pki.keys import PrivateKey, decode_key, encode_key, is_encrypted
from ..pki.names import title
from ..pki.pair_rules import certificate_of, key_fault
from ..pki.pkcs12 import Bundle, write_pkcs12
from ..pki.values import Certificate
from ..secret import Secret
from ..transaction import Transaction
from .authority import CA, decrypted, encrypted
from .layout import verify_target
from .lookup import Found, trust_anchors

# A certificate in another form, for programs that do not read ours.


@dataclass(frozen=True)
class Contents:
    """What goes into an export.

    Attributes:
        chain: the CA certificates above, as far as they are known, the root included.
        key: None leaves it out.
        password: asked for where the form can use one; None where there is none.
    """

    certificate: Certificate
    chain: tuple[Certificate, ...]
    key: PrivateKey | None = field(repr=False)
    password: Callable[[], Secret | None]


@dataclass(frozen=True)
class Form:
    """One form of export.

    Attributes:
        name: as on the command line.
        write: makes the content.
        has_key: always; None leaves that to the person.
        is_text: it may go to a terminal.
        locked: it can't do without a password.
    """

    name: str
    write: Callable[[Contents], bytes]
    has_key: bool | None = None
    is_text: bool = False
    locked: bool = False


def _pem(contents: Contents) -> bytes:
    """Key first, as Postfix's chain files want it; then the certificate and those between it and the root."""
    between = (ca for ca in contents.chain if not is_self_signed(ca))
    key = encode_key(contents.key, contents.password()) if contents.key else b""
    return key + encode_certificates([contents.certificate, *between])


def _der(contents: Contents) -> bytes:
    return encode_der(contents.certificate)


def _pkcs12(*, compatible: bool) -> Callable[[Contents], bytes]:
    def write(contents: Contents) -> bytes:
        password = contents.password()
        if contents.key is None or password is None:
            raise UsageError("PKCS #12", "holds a key and needs a password", "--password SOURCE")
        bundle = Bundle(contents.key, contents.certificate, contents.chain, title(contents.certificate))
        return write_pkcs12(bundle, password, compatible=compatible)

    return write


FORMS = {
    form.name: form
    for form in (
        Form("pem", _pem, is_text=True),
        Form("p12", _pkcs12(compatible=False), has_key=True, locked=True),
        Form("p12-compat", _pkcs12(compatible=True), has_key=True, locked=True),
        Form("der", _der, has_key=False),
    )
}


def export(
    work: Transaction,
    found: Found,
    form: Form,
    password: Callable[[], Secret | None],
    *,
    with_key: bool = False,
    target: str | None = None,
    force: bool = False,
) -> bytes:
    """Return a certificate in another form; write it to the target, if there is one.

    Args:
        work: where.
        found: the certificate.
        form: one of :data:`FORMS`.
        password: protects the key; asked for if the form has a use for it.
        with_key: hold the private key too.
        target: file, absolute; None is none.
        force: replace the target.
    """
    if with_key and form.has_key is False:
        raise UsageError("--with-key", f"{form.name} holds a certificate and nothing else")
    verify_target(target, force=force)
    key = _host_key(found) if with_key or form.has_key else None
    anchors = trust_anchors(work.site, work.ca, found.pair)
    chain = climb(found.certificate, (*found.others, *anchors))[1:]
    content = form.write(Contents(found.certificate, chain, key, lambda: work.ask(password)))
    name, where = title(found.certificate), target or "standard output"
    if target:
        sweep_target(target)
        write_all([Artifact(target, content, note=f"{name}{', with its key' if key else ''}")])
    if key:
        work.record("cert export", name, f"key as {form.name} to {where}")
    return content


def _host_key(found: Found) -> PrivateKey:
    path = found.pair.key if found.pair else ""
    if not path or not exists(path):
        reason = f"its key is not in {path}" if path else "its key is not on this host"
        raise MissingInputError(title(found.certificate), reason)
    key = decode_key(read_private(path), None, path)
    certificate_of(key, [found.certificate], path, f"{title(found.certificate)} as asked for")
    return key


# Copies out of the authority: certificates for clients, keys for a safe place.

PUBLIC_MODE = 0o644
"""Of a CA bundle on its way to client hosts; it holds no secret."""


@dataclass(frozen=True)
class KeyCopy:
    """Which key goes where.

    Attributes:
        root: the root's above an intermediate, instead of the one that signs.
        path: absolute; must not exist.
        new: asked for another passphrase than the key has; None copies the key as it is.
        remove: the root key leaves this host once the copy is proven.
    """

    root: bool
    path: str
    new: Callable[[], Secret | None] | None = None
    remove: bool = False


@dataclass(frozen=True)
class Exported:
    """A key that was copied."""

    path: str
    encrypted: bool
    removed: str | None


def bundle(ca: CA) -> bytes:
    """Return all CA certificates that clients need, as PEM."""
    return encode_certificates(ca.trusted)


def export_bundle(work: Transaction, path: str) -> str:
    """Write the bundle to a new file; return its path."""
    content = bundle(work.ca)
    _refuse(path)
    sweep_target(path)
    write_all([Artifact(path, content, PUBLIC_MODE)])
    return path


def export_key(work: Transaction, copy: KeyCopy) -> Exported:
    """Copy a key, proven by its certificate, and perhaps take it off this host.

    Args:
        work: whose authority; its passphrase opens the key.
        copy: which key, and where to.
    """
    source, certificate = _ca_key(work.ca, copy)
    _refuse(copy.path)
    content = read_private(source)
    is_trial = work.is_preview and is_encrypted(content)
    key = decrypted(content, work.passphrase, source)
    _prove(certificate, key, source, is_trial=is_trial)
    if copy.new:
        secret = work.ask(copy.new)
        content = encrypted(key, secret)
        _prove(certificate, decode_key(content, secret, copy.path), copy.path, is_trial=is_trial)
    work.begin()
    sweep_target(copy.path)
    write_all([Artifact(copy.path, content)])
    if read_private(copy.path) != content:
        raise DamagedFileError(copy.path, "does not hold what was written; nothing was removed")
    removed = copy.remove and remove(source)
    what = "ca root key" if copy.root else "ca key"
    detail = f"to {copy.path}{', removed from this host' if removed else ''}"
    work.record(f"{what} exported", title(certificate), detail)
    return Exported(copy.path, is_encrypted(content), source if removed else None)


def _ca_key(ca: CA, copy: KeyCopy) -> tuple[str, Certificate]:
    """Return the path of the key on this host, and its certificate."""
    files, path = ca.files, ca.chain
    if not copy.root:
        return files.key, path[0]
    if len(path) == 1:
        raise MissingInputError(
            files.key, "is the root's key itself, which signs and can't go offline", "export it with --key"
        )
    if not exists(files.root_key):
        raise MissingInputError(files.root_key, "is not there; the root key is offline already")
    return files.root_key, path[-1]


def _prove(certificate: Certificate, key: PrivateKey, path: str, *, is_trial: bool) -> None:
    fault = None if is_trial else key_fault(certificate, key, title(certificate))
    if fault:
        raise DamagedFileError(path, f"{fault}; nothing was removed")


def _refuse(path: str) -> None:
    require_directory(path)
    if exists(path):
        raise ExistsError(path, "exists and is never overwritten", "name another file")
    check_parents(path)
