"""The answer of another CA, checked against the key that waits for it before anything is written."""

import os
from collections.abc import Iterable
from dataclasses import dataclass

from ..config import Site
from ..errors import DataError, MissingInputError
from ..files import exists, is_directory, names_in, read_private, read_public
from ..pki.chains import ChainError, climb, is_self_signed, verify_chain
from ..pki.describe import purposes_of
from ..pki.keyfile import decode_key
from ..pki.keys import public_id
from ..pki.pem import parse_certificates
from ..pki.profiles import CLIENT, SERVER, Profile
from ..pki.values import Certificate
from .ca import CA
from .install import bundled
from .layout import Pair, pair_of
from .placing import key_id

SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"
_ONE_ROLE = {profile.purposes: profile for profile in (SERVER, CLIENT)}
_KEY_ENDS = ("-key.pem", "-key.pem.new")


@dataclass(frozen=True, slots=True)
class Sources:
    """The files of an answer, absolute, and what it is for.

    Attributes:
        answer: holds the certificate, perhaps with those above it.
        profile: the roles in which the host will use it.
        host: whose it is; None finds that out by the key.
        directory: where the key lies; None is the mail server's certificate directory.
        more: files with more CA certificates; their roots are trusted, as those of the answer are.
    """

    answer: str
    profile: Profile
    host: str | None = None
    directory: str | None = None
    more: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """A certificate that fits a key which is here.

    Attributes:
        host: qualified name.
        pair: where its key lies or waits.
        above: the CA certificates from its issuer to the root.
    """

    host: str
    pair: Pair
    certificate: Certificate
    above: tuple[Certificate, ...]


def read_answer(site: Site, ca: CA, sources: Sources) -> Answer:
    """Read and check an answer; roots of our own authority are trusted too.

    Raises:
        MissingInputError: no such file, or no key of the host.
        DataError: it belongs to no key here, is not for this host or these roles, is not valid now, or does
            not lead to a root; the subject is the file.
        SmtpcredsError: one of the files can't be read.
    """
    held = _read(sources.answer)
    pair, certificate = _matched(site, sources, held)
    host = site.qualify(sources.host or os.path.basename(pair.stem))
    _verify_roles(sources, certificate, host)
    others = [one for path in sources.more for one in _read(path)]
    own = ca.chain if ca.is_there else ()
    pool = [one for one in (*own, *bundled(pair.directory), *others, *held) if one != certificate]
    try:
        path = verify_chain(certificate, (), pool, site.clock(), sources.profile.purposes, host)
    except ChainError as error:
        raise DataError(sources.answer, error.reason, _way_up(certificate, pool)) from None
    return Answer(host, pair, certificate, path[1:])


def _read(path: str) -> tuple[Certificate, ...]:
    return parse_certificates(read_public(path), path).certificates


def _matched(site: Site, sources: Sources, held: Iterable[Certificate]) -> tuple[Pair, Certificate]:
    keys = _named_key(site, sources) if sources.host else _keys_in(sources.directory or site.certificates)
    for certificate in held:
        if pair := keys.get(public_id(certificate)):
            return pair, certificate
    where = (
        f"the key of {sources.host}"
        if sources.host
        else f"any key in {sources.directory or site.certificates}"
    )
    hint = "it answers another request; to make one here: smtpcreds cert request HOST"
    raise DataError(sources.answer, f"does not belong to {where}", hint)


def _named_key(site: Site, sources: Sources) -> dict[str, Pair]:
    host = site.qualify(sources.host or "")
    pair = pair_of(site, host, sources.directory)
    paths = [path for path in (pair.key, pair.next_key) if exists(path)]
    if not paths:
        raise MissingInputError(
            pair.key, "there is no key to install it with", f"smtpcreds cert request {host}"
        )
    return {public_id(decode_key(read_private(path), None, path)): pair for path in paths}


def _keys_in(directory: str) -> dict[str, Pair]:
    """Return every key of a directory that can be used, by the SHA-256 of its public key."""
    names = sorted(names_in(directory)) if is_directory(directory) else []
    paths = [(f"{directory}/{name}", end) for name in names for end in _KEY_ENDS if name.endswith(end)]
    return {found: Pair(path.removesuffix(end)) for path, end in paths if (found := key_id(path))}


def _verify_roles(sources: Sources, certificate: Certificate, host: str) -> None:
    """Say more than a verifier does: public CAs give up clientAuth, without which relays trust no client."""
    allowed = purposes_of(certificate)
    missing = [purpose for purpose in sources.profile.purposes if purpose not in allowed]
    if not missing:
        return
    hint = None
    if left := _ONE_ROLE.get(allowed):
        other = CLIENT if left is SERVER else SERVER
        hint = (
            f"install it as --{left.name}; for the other: smtpcreds cert issue {host} --{other.name} --to DIR"
        )
    roles = " and ".join(f"TLS {purpose.value}s" for purpose in missing)
    raise DataError(sources.answer, f"is not for {roles} (extendedKeyUsage)", hint)


def _way_up(certificate: Certificate, pool: Iterable[Certificate]) -> str | None:
    if is_self_signed(climb(certificate, pool)[-1]):
        return None
    return f"give the certificates above it with --chain FILE or --ca FILE (public CAs: {SYSTEM_CAS})"
