"""The authority on disk with those it replaced: read once, kept for the run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

from ..config import Site
from ..errors import DamagedFileError, DataError, DeniedError, ExistsError
from ..files import disk, exists, names_in, read_if_there, read_private
from ..inventory.rows import AuthorityRow
from ..lazy import dataclass
from ..pki.encoding import encode_der, parse_certificate, parse_certificates
from ..pki.keys import (
    KDF_ROUNDS,
    KEY_TYPES,
    PrivateKey,
    RemoteKey,
    SigningKey,
    decode_key,
    encode_key,
    encode_remote,
    generate,
    is_encrypted,
    remote_uri,
)
from ..pki.values import Certificate, Issuer, key_identifier
from ..secret import Secret
from .layout import CRL, FROM_BACKUP, RETIRED, ROOT_CRL, SUPERSEDED, CaFiles, ca_files, without_authority

Passphrase = Callable[[], Secret | None]
"""Asked at most once, and only when the key is encrypted; None where there is no way to get it."""


def no_passphrase() -> None:
    """Answer that there is none."""


@dataclass(frozen=True)
class SupersededCA:
    """One authority that was replaced: its files, and its certificate with those above it."""

    files: CaFiles
    path: tuple[Certificate, ...]

    @property
    def certificate(self) -> Certificate:
        """The certificate whose key signed before."""
        return self.path[0]

    @property
    def crl_name(self) -> str:
        """Name of its CRL in certificate directories."""
        return crl_name(self.certificate)


def authority_of(site: Site) -> "CA":
    """Return what this run's transaction has read of the authority; without one, it is read when asked."""
    held = disk().held.get(f"authority {site.ca_directory}")
    return held if isinstance(held, CA) else CA(site)


@dataclass(frozen=True)
class Listed:
    """A CRL beside certificates: the name of its file, whose it is, and itself as PEM."""

    name: str
    issuer: Certificate
    content: bytes


class CA:
    """The authority that signs, and those that it replaced. No key is touched but by :meth:`issuer`.

    The directories say what is trusted; the inventory's rows follow them. What was read is kept: after a
    change of the authority's directory call :meth:`forget`.

    Args:
        site: whose.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self.files = ca_files(site)

    def forget(self) -> None:
        """Read everything anew when it is asked for."""
        for name in ("chain", "superseded_cas", "retired", "trusted", "distrusted", "_names"):
            self.__dict__.pop(name, None)

    @property
    def is_there(self) -> bool:
        """Tell whether there is an authority."""
        return "chain" in self.__dict__ or exists(self.files.certificate)

    @cached_property
    def chain(self) -> tuple[Certificate, ...]:
        """The authority's certificate and those above it, nearest first."""
        files = self.files
        if not exists(files.directory):
            raise without_authority(self._site)
        for path in (files.certificate, files.key):
            if not exists(path):
                raise DamagedFileError(path, "is missing from the authority", FROM_BACKUP)
        return path_of(files)

    @property
    def certificate(self) -> Certificate:
        """The certificate whose key signs; raises as :attr:`chain`."""
        return self.chain[0]

    @cached_property
    def superseded_cas(self) -> tuple[SupersededCA, ...]:
        """The replaced authorities that are still trusted, the newest first."""
        return self._replaced(SUPERSEDED)

    @cached_property
    def retired(self) -> tuple[SupersededCA, ...]:
        """Those whose files are kept although nobody is to trust them, the newest first."""
        return self._replaced(RETIRED)

    @cached_property
    def trusted(self) -> tuple[Certificate, ...]:
        """Every CA certificate that clients need: of the authority that signs, then of superseded ones."""
        older = (certificate for superseded_ca in self.superseded_cas for certificate in superseded_ca.path)
        return tuple(dict.fromkeys((*self.chain, *older)))

    @cached_property
    def distrusted(self) -> frozenset[Certificate]:
        """The CA certificates of retired authorities that no other one needs."""
        gone = {certificate for superseded_ca in self.retired for certificate in superseded_ca.path}
        return frozenset(gone.difference(self.trusted))

    def files_of(self, certificate: Certificate) -> CaFiles:
        """Return the files of an authority by its certificate: a replaced CA's, or the one that signs."""
        former = (*self.superseded_cas, *self.retired)
        return next((old.files for old in former if old.certificate == certificate), self.files)

    def files_of_row(self, authority: AuthorityRow) -> CaFiles:
        """Return the files of an authority by its row in the inventory."""
        former = (*self.superseded_cas, *self.retired)
        return next((old.files for old in former if encode_der(old.certificate) == authority.der), self.files)

    def crl_lists(self, fresh: Mapping[Certificate, bytes] | None = None) -> tuple[Listed, ...]:
        """Return the CRLs that belong beside certificates, as far as they are there.

        They are of the authority that signs, of superseded ones, of the CAs above these, and the last one
        of each retired authority whose root is trusted still: its certificates may be shown with their chain.

        Args:
            fresh: those that were signed just now, as PEM, and are not in place yet.
        """
        found: dict[str, Listed] = {}
        for name, path, issuer in self._crl_files():
            content = (fresh or {}).get(issuer) or read_if_there(path)
            if content is not None:
                found.setdefault(name, Listed(name, issuer, content))
        return tuple(found.values())

    def _crl_files(self) -> Iterator[tuple[str, str, Certificate]]:
        yield CRL, self.files.crl, self.certificate
        for superseded_ca in (*self.superseded_cas, *self.shown):
            yield superseded_ca.crl_name, superseded_ca.files.crl, superseded_ca.certificate
        present = SupersededCA(self.files, self.chain)
        for ca in (present, *self.superseded_cas):
            yield from ((crl_name(above), path, above) for above, path in crls_above(ca.files, ca.path))

    @property
    def shown(self) -> Iterator[SupersededCA]:
        """The retired authorities that verifiers can reach from a root."""
        now, trusted = self._site.clock(), set(self.trusted)
        return (
            ca for ca in self.retired if ca.certificate.not_valid_after_utc > now and trusted & set(ca.path)
        )

    def issuer(
        self, passphrase: Passphrase, files: CaFiles | None = None, *, pin: Passphrase = no_passphrase
    ) -> Issuer:
        """Return an authority, ready to sign; in a preview with a throw-away key.

        Args:
            passphrase: asked if the key is encrypted.
            files: of an authority that was replaced; None is the one that signs.
            pin: asked if the key is in a token.

        Raises:
            MissingInputError: there is none.
        """
        chain = self.chain if files in (None, self.files) else path_of(files or self.files)
        issuer = opened((files or self.files).key, chain, passphrase, pin=pin)
        return replace(issuer, crl_url=crl_url(self._site, issuer.certificate))

    def refuse_existing(self) -> None:
        """Raise ExistsError where an authority, or any part of one, lies in the state directory."""
        files = self.files
        if not exists(files.directory):
            return
        if exists(files.certificate) or exists(files.key):
            reason = "holds an authority and is never overwritten"
            raise ExistsError(files.directory, reason, "smtpcreds ca show")
        hint = f"see what it holds: ls -la {files.directory}"
        raise ExistsError(files.directory, "must be moved away before a new authority is made", hint)

    def _replaced(self, prefix: str) -> tuple[SupersededCA, ...]:
        if not self.is_there:
            return ()
        names = (name for name in self._names if name.startswith(prefix))
        found = [CaFiles(f"{self.files.directory}/{name}") for name in names]
        whole = [SupersededCA(files, path_of(files)) for files in found if exists(files.certificate)]
        return tuple(sorted(whole, key=_beginning, reverse=True))

    @cached_property
    def _names(self) -> list[str]:
        return names_in(self.files.directory)


def path_of(files: CaFiles) -> tuple[Certificate, ...]:
    """Return the certificate of an authority whose files are known, and those above it, nearest first."""
    own = parse_certificate(read_private(files.certificate), files.certificate)
    above = read_if_there(files.parents)
    return (own,) if above is None else (own, *parse_certificates(above, files.parents).certificates)


def crls_above(files: CaFiles, path: Sequence[Certificate]) -> Iterator[tuple[Certificate, str]]:
    """Yield each CA above an authority with the path of its CRL; OpenSSL's full check asks for all."""
    for number, above in enumerate(path[1:]):
        name = ROOT_CRL if number == 0 else f"{ROOT_CRL.removesuffix('.pem')}-{short_id(above)}.pem"
        yield above, f"{files.directory}/{name}"


def crl_name(certificate: Certificate) -> str:
    """Return the name of the CRL of any CA but the one that signs; Sendmail reads only one CRL of a file."""
    return f"crl-{short_id(certificate)}.pem"


OF_CA = "{ca}"
"""Stands in ``ca.crl_url`` and ``ca crl --to`` for the :func:`short_id` of each CA: a file holds one CRL."""


def crl_url(site: Site, certificate: Certificate, *, is_root: bool = False) -> str:
    """Return where the CRL of a CA is handed out; empty where nothing is configured for it."""
    url = site.settings.ca.crl_url
    return "" if is_root and OF_CA not in url else url.replace(OF_CA, short_id(certificate))


def short_id(certificate: Certificate) -> str:
    """Return eight hex digits of the key identifier, by which files of superseded CAs are named."""
    return key_identifier(certificate).hex()[:8]


def opened(
    path: str, chain: Sequence[Certificate], passphrase: Passphrase, *, pin: Passphrase = no_passphrase
) -> Issuer:
    """Return a CA ready to sign with a key file, in a preview with a throw-away key; see :meth:`CA.issuer`.

    Args:
        path: of the key.
        chain: the CA's certificate and those above it, nearest first.
        passphrase: asked if the key is encrypted.
        pin: asked if it is in a token.
    """
    (own, *parents), pem = chain, read_private(path)
    if uri := remote_uri(pem, path):
        from .token import in_token

        return in_token(uri, own, tuple(parents), pin)
    key = decrypted(pem, passphrase, path)
    if disk().is_preview and is_encrypted(pem):
        return Issuer.trial(own, tuple(parents))
    issuer = Issuer(own, key, tuple(parents))
    return Issuer.trial(own, issuer.parents) if disk().is_preview else issuer


def decrypted(pem: bytes, passphrase: Passphrase, path: str) -> PrivateKey:
    """Return the private key of a file's content; the passphrase is asked for if it is encrypted.

    A preview asks too, so that the caller learns that it will be asked, and takes a throw-away key.
    """
    if remote_uri(pem, path):
        reason = "names a key in a token, and no program gets that out of it"
        raise DataError(path, reason, "copy it, or change its PIN, with the token's own program, if it can")
    given = passphrase() if is_encrypted(pem) else None
    if given is None and is_encrypted(pem):
        hint = "pass --passphrase SOURCE, or set ca.passphrase"
        raise DeniedError(path, "is encrypted and no passphrase was given", hint)
    if given is not None and disk().is_preview:
        return generate(KEY_TYPES["p256"])
    return decode_key(pem, given, path)


def proven(passphrase: Passphrase, path: str) -> Passphrase:
    """Return the question with a proof on a key file; a later one is then asked only if this was right."""

    def ask() -> Secret | None:
        secret, pem = passphrase(), read_private(path)
        if secret is not None and not disk().is_preview and not remote_uri(pem, path):
            decode_key(pem, secret, path)
        return secret

    return ask


def encrypted(key: SigningKey, passphrase: Secret | None) -> bytes:
    """Return a key of the authority as a file; a preview spares itself the half second of the encryption."""
    if isinstance(key, RemoteKey):
        return encode_remote(key.uri)
    return encode_key(key, passphrase, rounds=1 if disk().is_preview else KDF_ROUNDS)


def _beginning(superseded_ca: SupersededCA) -> float:
    return superseded_ca.certificate.not_valid_before_utc.timestamp()
