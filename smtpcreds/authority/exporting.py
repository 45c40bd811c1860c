"""A certificate in another form, for programs that do not read ours."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ..errors import DataError, MissingInputError, UsageError
from ..files import exists, read_private, sweep_target, write_all
from ..model import Artifact
from ..pki.chains import climb, is_self_signed
from ..pki.dn import title
from ..pki.keyfile import decode_key, encode_key
from ..pki.keys import PrivateKey, matches
from ..pki.pem import encode_certificates, encode_der
from ..pki.pkcs12 import Bundle, write_pkcs12
from ..pki.values import Certificate
from ..secret import Secret
from ..transaction import Transaction
from .inspection import trust_anchors
from .lookup import Found
from .target import verify_target


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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

    Raises:
        UsageError: a key in a form that has no place for it.
        MissingInputError: the key is not here.
        DataError: the key that is here belongs to another certificate.
        ExistsError: the target is there.
    """
    if with_key and form.has_key is False:
        raise UsageError("--with-key", f"{form.name} holds a certificate and nothing else")
    verify_target(target, force=force)
    key = _key(found) if with_key or form.has_key else None
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


def _key(found: Found) -> PrivateKey:
    path = found.pair.key if found.pair else ""
    if not path or not exists(path):
        reason = f"its key is not in {path}" if path else "its key is not on this host"
        raise MissingInputError(title(found.certificate), reason)
    key = decode_key(read_private(path), None, path)
    if not matches(found.certificate, key):
        raise DataError(path, f"is not the key of {title(found.certificate)} as asked for")
    return key
