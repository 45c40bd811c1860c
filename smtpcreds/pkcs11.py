"""Keys in a PKCS #11 token: named by a URI (RFC 7512), made in it, used in it; none ever leaves it."""

import hashlib
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self
from urllib.parse import quote, unquote, unquote_to_bytes

from .errors import (
    AmbiguousError,
    DataError,
    DeniedError,
    ExistsError,
    MissingInputError,
    SmtpcredsError,
    UnavailableError,
    UsageError,
    WrongPassphraseError,
)
from .files import is_file
from .files.guard import check_unchanged
from .lazy import dataclass
from .pki.encoding import integer, sequence
from .secret import Secret

if TYPE_CHECKING:  # an extra, and slow: imported where a token is really used
    import pkcs11

# The URI that names a key.

SCHEME = "pkcs11:"
_PATH = {"token", "serial", "manufacturer", "model", "object", "id", "type"}
_QUERY = {"module-path"}
_PINS = {"pin-value", "pin-source"}
_EXAMPLE = "pkcs11:token=LABEL?module-path=/PATH/TO/MODULE.so"


@dataclass(frozen=True)
class KeyUri:
    """Names a key in a token; an attribute that is empty fits everything (RFC 7512 section 2.5).

    Attributes:
        module: absolute path of the library that speaks to the token.
        label: of the key, CKA_LABEL.
        key_id: of the key, CKA_ID.
    """

    module: str
    token: str = ""
    serial: str = ""
    manufacturer: str = ""
    model: str = ""
    label: str = ""
    key_id: bytes = b""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URI; one with a PIN in it is refused, since arguments and files are no place for that."""
        if not text.startswith(SCHEME):
            raise UsageError("--token", "takes a PKCS #11 URI (RFC 7512)", _EXAMPLE)
        if text.encode(errors="replace").decode() != text:
            raise UsageError("--token", "is not UTF-8", _EXAMPLE)
        path, _, query = text.removeprefix(SCHEME).partition("?")
        given = dict(_attributes(path, ";", _PATH)) | dict(_attributes(query, "&", _QUERY))
        module = unquote(given.get("module-path", ""))
        if not module.startswith("/"):
            raise UsageError("--token", "needs the absolute path of the token's library", _EXAMPLE)
        if not given.keys() & {"token", "serial"}:
            raise UsageError("--token", "names no token", _EXAMPLE)
        if given.get("type", "private") != "private":
            raise UsageError("--token", f"names an object of type {given['type']}, not a private key")
        texts = {name: unquote(given.get(name, "")) for name in ("token", "serial", "manufacturer", "model")}
        key_id = unquote_to_bytes(given.get("id", ""))
        return cls(module, **texts, label=unquote(given.get("object", "")), key_id=key_id)

    def __str__(self) -> str:
        names = ("token", "serial", "manufacturer", "model")
        parts = {name: quote(getattr(self, name), safe="") for name in names}
        parts |= {
            "object": quote(self.label, safe=""),
            "id": "".join(f"%{octet:02X}" for octet in self.key_id),
        }
        path = ";".join(f"{name}={value}" for name, value in (*parts.items(), ("type", "private")) if value)
        return f"{SCHEME}{path}?module-path={quote(self.module)}"

    @property
    def subject(self) -> str:
        """What messages call the token."""
        return f"token {self.token or self.serial}"

    @property
    def key(self) -> str:
        """What messages call the key."""
        return f"key {self.label or self.key_id.hex() or '(any)'}"


def _attributes(text: str, separator: str, known: set[str]) -> Iterator[tuple[str, str]]:
    for part in filter(None, text.split(separator)):
        name, _, value = part.partition("=")
        if name in _PINS:
            reason = f"has a {name}, which others could read here and in the state directory"
            raise UsageError("--token", reason, "leave it out, and give --passphrase SOURCE")
        if name not in known:
            raise UsageError("--token", f"has an attribute {name!a}; known are {', '.join(sorted(known))}")
        yield name, value


# What can be said without touching the token.


def check(uri: KeyUri) -> None:
    """Refuse what would fail before any token is asked, and a library that another user could change.

    It is loaded into this process, as a key's passphrase is.
    """
    _package()
    if not is_file(uri.module):
        from .extras import in_package, token_libraries

        there = "; there is ".join(("correct module-path", *token_libraries()))
        hint = f"{there}, or install it{in_package('softhsm', 'opensc', 'ykcs11')}"
        raise UnavailableError(uri.module, "the token's library is not there", hint)
    check_unchanged(uri.module)


def _package() -> None:
    try:
        import pkcs11  # noqa: F401
    except ImportError:
        from .extras import how_to_install

        reason, hint = "needs the Python package python-pkcs11", how_to_install("python-pkcs11")
        raise UnavailableError("--token", reason, hint) from None


def _silence_finalizers() -> None:
    """Keep python-pkcs11 0.10 from printing a traceback for each search that a token's end cut off.

    Its searches end themselves once more when they are collected, and that fails with the same error again.
    """
    import pkcs11

    if getattr(sys.excepthook, "is_ours", False):
        return
    shown, ignored = sys.excepthook, sys.unraisablehook

    def is_cut_off(error: BaseException | None, trace: TracebackType | None) -> bool:
        frames = traceback.extract_tb(trace)
        is_end = any(frame.name.endswith("SearchIter._finalize") for frame in frames)
        return isinstance(error, pkcs11.exceptions.PKCS11Error) and is_end

    def show(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not is_cut_off(error, trace):
            shown(kind, error, trace)

    def ignore(found: "sys.UnraisableHookArgs") -> None:
        if not is_cut_off(found.exc_value, found.exc_traceback):
            ignored(found)

    show.is_ours = True  # type: ignore[attr-defined]
    sys.excepthook, sys.unraisablehook = show, ignore


# A token that is open.

_CURVES = {"p256": "secp256r1", "p384": "secp384r1"}
_RSA_BITS = {"rsa2048": 2048, "rsa3072": 3072, "rsa4096": 4096}
_ED25519 = "ed25519"
_ED25519_OID = bytes.fromhex("06032b6570")
"""DER of id-Ed25519 (RFC 8410 section 3), which PKCS #11 3.0 section 6.3.5 allows for CKA_EC_PARAMS."""
KINDS = (*_CURVES, *_RSA_BITS, _ED25519)
"""Key types that tokens make, by their name on the command line."""

_DIGEST_INFO = {"sha256": bytes.fromhex("3031300d060960864801650304020105000420")}
"""DER before the digest in EMSA-PKCS1-v1_5 (RFC 8017 section 9.2 note 1)."""


class Session:
    """One token, logged in; a process that ends logs out.

    Args:
        uri: names token and key.
        pin: of the token.
        writes: keys are to be made or destroyed.
    """

    def __init__(self, uri: KeyUri, pin: Secret, *, writes: bool = False) -> None:
        check(uri)
        import pkcs11

        _silence_finalizers()
        self.uri = uri
        self._pin = _text(uri, pin)
        with _explained(uri):
            token = _token(uri)
            _refuse_risk(uri, token)
            try:
                self._session = _logged_in(token, self._pin, writes=writes)
            except pkcs11.exceptions.PinIncorrect as error:
                _refuse(uri, error, again="pin" if may_try_again(_token(uri).flags) else "")
        self._key: Any = None

    def close(self) -> None:
        """Log out; a token that is gone has nobody logged in."""
        with suppress(SmtpcredsError), _explained(self.uri):
            self._session.close()

    def generate(self, kind: str) -> bytes:
        """Make the pair that the URI names, and return its public key as DER.

        The private key is sensitive and not extractable: no program gets it, this one included.

        Args:
            kind: one of :data:`KINDS`.
        """
        import pkcs11

        uri, sensitive = self.uri, {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
        uses = pkcs11.MechanismFlag.SIGN | pkcs11.MechanismFlag.VERIFY
        with _explained(uri):
            public, self._key = self._made(
                kind,
                id=uri.key_id,
                label=uri.label,
                store=True,
                capabilities=uses,
                private_template=sensitive,
            )
            return _encoded(public)

    def refuse_taken(self) -> None:
        """Refuse to make a key whose label or id another one has."""
        with _explained(self.uri):
            if self._is_taken():
                hint = "name another object, or take that key: --existing-key"
                raise ExistsError(self.uri.subject, f"has a {self.uri.key}, which was not changed", hint)

    def public_key(self) -> bytes:
        """Return the public key of the pair that the URI names, as DER."""
        import pkcs11

        with _explained(self.uri):
            return _encoded(self._only(pkcs11.ObjectClass.PUBLIC_KEY))

    def destroy(self, uri: KeyUri | None = None) -> None:
        """Remove the pair that was made here, or by a killed run: one that is named by label and id."""
        import pkcs11

        named = uri or self.uri
        with _explained(self.uri):
            for kind in (pkcs11.ObjectClass.PRIVATE_KEY, pkcs11.ObjectClass.PUBLIC_KEY):
                for found in list(self._found(kind, named.label, named.key_id)):
                    found.destroy()

    def sign(self, data: bytes, digest: str) -> bytes:
        """Return a signature as in X.509: ECDSA-Sig-Value (RFC 3279 section 2.2.3), PKCS #1 v1.5 or EdDSA.

        The digest is made here, since every token has CKM_ECDSA and CKM_RSA_PKCS.

        Args:
            data: what is signed.
            digest: name of the hash; empty for Ed25519, which hashes by itself (RFC 8410).
        """
        import pkcs11

        hashed = hashlib.new(digest, data).digest() if digest else b""
        with _explained(self.uri):
            key = self._private()
            if key.key_type == pkcs11.KeyType.EC_EDWARDS:
                return self._signed(key, data, pkcs11.Mechanism.EDDSA)
            if key.key_type == pkcs11.KeyType.RSA:
                return self._signed(key, _DIGEST_INFO[digest] + hashed, pkcs11.Mechanism.RSA_PKCS)
            raw = self._signed(key, hashed, pkcs11.Mechanism.ECDSA)
        half = len(raw) // 2
        return sequence(*(integer(int.from_bytes(part)) for part in (raw[:half], raw[half:])))

    def _signed(self, key: Any, data: bytes, mechanism: "pkcs11.Mechanism") -> bytes:
        import pkcs11

        try:
            again = bool(key[pkcs11.Attribute.ALWAYS_AUTHENTICATE])  # as a PIV card's signature key
        except pkcs11.exceptions.PKCS11Error:
            again = False
        if not again:
            return bytes(key.sign(data, mechanism=mechanism))
        try:
            return bytes(key.sign(data, mechanism=mechanism, pin=self._pin))
        except TypeError:  # python-pkcs11 0.7, which Debian 13 has, knows no pin
            reason = "has a key that asks for its PIN each time, which needs python-pkcs11 0.10"
            raise UnavailableError(self.uri.subject, reason) from None

    def _private(self) -> Any:
        import pkcs11

        self._key = self._key or self._only(pkcs11.ObjectClass.PRIVATE_KEY)
        return self._key

    def _only(self, kind: "pkcs11.ObjectClass") -> Any:
        found, name = list(self._found(kind)), kind.name.lower().replace("_", " ")
        if not found:
            raise MissingInputError(self.uri.subject, f"has no {name} of {self.uri.key}", _listing(self.uri))
        if len(found) > 1:
            reason = f"has {len(found)} objects that are the {name} of {self.uri.key}"
            raise AmbiguousError(self.uri.subject, reason, f"name one by id=; {_listing(self.uri)}")
        return found[0]

    def _is_taken(self) -> bool:
        """Tell whether a private key has the label, or the id; either alone would be ambiguous then."""
        import pkcs11

        wanted = (self.uri.label, b""), ("", self.uri.key_id)
        found = (self._found(pkcs11.ObjectClass.PRIVATE_KEY, *one) for one in wanted if any(one))
        return any(True for objects in found for _ in objects)

    def _found(
        self, kind: "pkcs11.ObjectClass", label: str | None = None, key_id: bytes | None = None
    ) -> "Iterator[pkcs11.Object]":
        """Yield objects by label and id, those of the URI unless given; an empty one fits everything."""
        import pkcs11

        wanted = {
            pkcs11.Attribute.LABEL: self.uri.label if label is None else label,
            pkcs11.Attribute.ID: self.uri.key_id if key_id is None else key_id,
        }
        given = {name: value for name, value in wanted.items() if value}
        return self._session.get_objects({pkcs11.Attribute.CLASS: kind, **given})

    def _made(self, kind: str, **wanted: Any) -> "tuple[pkcs11.PublicKey, pkcs11.PrivateKey]":
        import pkcs11
        from pkcs11.util.ec import encode_named_curve_parameters

        if kind in _RSA_BITS:
            return self._session.generate_keypair(pkcs11.KeyType.RSA, _RSA_BITS[kind], **wanted)
        if kind == _ED25519:
            named = {pkcs11.Attribute.EC_PARAMS: _ED25519_OID}
            edwards = self._session.create_domain_parameters(pkcs11.KeyType.EC_EDWARDS, named, local=True)
            return edwards.generate_keypair(mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN, **wanted)
        named = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(_CURVES[kind])}
        curve = self._session.create_domain_parameters(pkcs11.KeyType.EC, named, local=True)
        return curve.generate_keypair(**wanted)


_ED25519_SPKI = bytes.fromhex("302a300506032b6570032100")
"""DER of SubjectPublicKeyInfo before the 32 octets (RFC 8410 section 4)."""


def _encoded(public: Any) -> bytes:
    """Return SubjectPublicKeyInfo, or for RSA the RSAPublicKey of PKCS #1.

    The point of an Ed25519 key is its 32 octets; tokens wrap them in an OCTET STRING, a BIT STRING, or not.
    """
    import pkcs11
    from pkcs11.util.ec import encode_ec_public_key
    from pkcs11.util.rsa import encode_rsa_public_key

    if public.key_type == pkcs11.KeyType.EC_EDWARDS:
        return _ED25519_SPKI + bytes(public[pkcs11.Attribute.EC_POINT])[-32:]
    encode = encode_rsa_public_key if public.key_type == pkcs11.KeyType.RSA else encode_ec_public_key
    return encode(public)


def _text(uri: KeyUri, pin: Secret) -> str:
    try:
        return pin.reveal().decode()
    except UnicodeDecodeError:
        raise DataError(uri.subject, "the PIN is not UTF-8") from None


def _token(uri: KeyUri) -> "pkcs11.Token":
    """Return the one token that the URI names."""
    import pkcs11

    there = [token for token in pkcs11.lib(uri.module).get_tokens() if token.label]
    found = [token for token in there if _is_meant(uri, token)]
    if not found:
        known = ", ".join(sorted(token.label for token in there)) or "none"
        raise UnavailableError(
            uri.subject, f"is not there; its library finds {known}", "connect it, or correct the URI"
        )
    if len(found) > 1:
        serials = ", ".join(token.serial.decode(errors="replace") for token in found)
        raise AmbiguousError(uri.subject, f"is there {len(found)} times", f"add serial=, one of {serials}")
    return found[0]


def _is_meant(uri: KeyUri, token: "pkcs11.Token") -> bool:
    own = (token.label, token.serial.decode(errors="replace"), token.manufacturer_id, token.model)
    wanted = (uri.token, uri.serial, uri.manufacturer, uri.model)
    return all(want in ("", have.strip()) for want, have in zip(wanted, own, strict=True))


def _logged_in(token: "pkcs11.Token", pin: str, *, writes: bool) -> "pkcs11.Session":
    import pkcs11

    try:
        return token.open(rw=writes, user_pin=pin)
    except pkcs11.exceptions.UserAlreadyLoggedIn:  # by this process, for another key of the token
        return token.open(rw=writes)


# A PIN is tried a few times, and then the token locks. A command that runs every night would use them up.


def _refuse_risk(uri: KeyUri, token: "pkcs11.Token") -> None:
    import pkcs11

    if token.flags & pkcs11.TokenFlag.USER_PIN_LOCKED:
        raise DeniedError(uri.subject, "has locked its PIN after too many wrong ones", _UNLOCK)
    few = pkcs11.TokenFlag.USER_PIN_COUNT_LOW | pkcs11.TokenFlag.USER_PIN_FINAL_TRY
    if token.flags & few and not sys.stdin.isatty():
        reason = "was given a wrong PIN the last time, so without a terminal none is tried again"
        raise DeniedError(uri.subject, reason, "smtpcreds ca crl, on a terminal, with the right PIN")


def may_try_again(flags: int) -> bool:
    """Tell whether a token counts wrong PINs and has more than one try left (PKCS #11 2.40 section 4.4.1)."""
    import pkcs11

    last = pkcs11.TokenFlag.USER_PIN_FINAL_TRY | pkcs11.TokenFlag.USER_PIN_LOCKED
    return bool(flags & pkcs11.TokenFlag.USER_PIN_COUNT_LOW) and not flags & last


_UNLOCK = "unlock it with its own program and its SO PIN or PUK, such as: ykman piv access unblock-pin"


def _listing(uri: KeyUri) -> str:
    return f"pkcs11-tool --module {uri.module} --login --list-objects"


# What a token answers, in the words of this program.

_ANSWERS: Mapping[str, tuple[type[SmtpcredsError], str, str | None]] = {
    "PinIncorrect": (WrongPassphraseError, "refuses the PIN", "it locks after a few wrong ones"),
    "PinInvalid": (WrongPassphraseError, "refuses the PIN", "it locks after a few wrong ones"),
    "PinLenRange": (WrongPassphraseError, "says that no PIN has this length", None),
    "PinExpired": (DeniedError, "says that its PIN has expired", "set another one with its own program"),
    "PinLocked": (DeniedError, "has locked its PIN after too many wrong ones", _UNLOCK),
    "UserPinNotInitialized": (DeniedError, "has no PIN yet", "set one with its own program"),
    "TokenWriteProtected": (DeniedError, "is write-protected", None),
    "DeviceMemory": (DeniedError, "has no room for another key", None),
    "MechanismInvalid": (DataError, "can't make or use this type of key", "--key-type p256 or rsa2048"),
    "KeySizeRange": (DataError, "can't make or use a key of this size", "--key-type p256 or rsa2048"),
    "KeyFunctionNotPermitted": (DataError, "does not let this key sign", None),
    "UserNotLoggedIn": (DeniedError, "closed the session", None),
}


@contextmanager
def _explained(uri: KeyUri) -> Iterator[None]:
    import pkcs11

    try:
        yield
    except pkcs11.exceptions.PKCS11Error as error:
        _refuse(uri, error)


def _refuse(uri: KeyUri, error: Exception, *, again: str = "") -> NoReturn:
    kind = type(error).__name__
    said = str(error) if kind == "PKCS11Error" else kind
    unknown = (UnavailableError, f"does not answer ({said})", "is it connected, and is its service running?")
    family, reason, hint = _ANSWERS.get(kind, unknown)
    refused = family(uri.subject, reason, hint)
    if isinstance(refused, WrongPassphraseError):
        refused.again = again
    raise refused from None
