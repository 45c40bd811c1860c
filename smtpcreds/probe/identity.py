"""Who logs in, with which secret and certificate: from accounts, files and what was typed."""

import os
from collections.abc import Callable
from contextlib import suppress

from ..accounts import AccountBook
from ..accounts.mechanisms import served
from ..authority.layout import pair_of
from ..config import Site
from ..deploy.credentials import held_credential
from ..errors import DataError, MissingInputError, SmtpcredsError
from ..files import read_private, read_public
from ..model import Account, Credential
from ..mta import auth_info
from ..mta.programs import PROGRAMS
from ..pki.keyfile import decode_key, is_encrypted
from ..pki.keys import matches
from ..pki.pem import parse_certificates
from ..secret import Secret
from ..smtp.sasl import Login
from ..smtp.tls import ClientFiles
from .asked import Identity


def of_account(site: Site, text: str, secret: Callable[[], Secret] | None) -> Identity:
    """Return an account with its secret: the one given, that of the database, or what this host logs in with.

    Raises:
        SmtpcredsError: there is no such account, or its secret can't be read back.
    """
    book = AccountBook(site)
    account = book.parse(text)
    credential = (
        Credential(account, secret(), site.realm)
        if secret
        else held_credential(site, PROGRAMS.values(), account)
    )
    login = Login(credential.login, credential.secret)
    return Identity(login, account.realm, _served(book, account))


def of_file(path: str) -> Identity:
    """Return what a default-auth-info says.

    Raises:
        UnsafePathError, MissingInputError, DamagedFileError: about the file.
    """
    found = auth_info.parse(read_private(path), path)
    authzid = "" if found.authzid == found.authcid else found.authzid
    return Identity(Login(found.authcid, found.secret, authzid), found.realm)


def of_pair(certificate: str, key: str) -> ClientFiles:
    """Return a pair to present, once it is known to be one.

    Raises:
        DataError: an encrypted key, or not that of the certificate.
        SmtpcredsError: a file that can't be read.
    """
    encoded = read_private(key)
    if is_encrypted(encoded):
        hint = f"openssl pkey -in {key} -out PLAIN, in a directory of mode 0700"
        raise DataError(key, "is encrypted; mail servers could not use it either", hint)
    first = parse_certificates(read_public(certificate), certificate).certificates[0]
    if not matches(first, decode_key(encoded, None, key)):
        raise DataError(key, f"is not the key of {certificate}")
    return ClientFiles(certificate, key)


def of_host(site: Site, host: str) -> ClientFiles:
    """Return the pair of a host, as it is installed here.

    Raises:
        MissingInputError: none is.
    """
    pair = pair_of(site, site.qualify(host))
    if not os.path.lexists(pair.certificate):
        reason = f"has no certificate in {site.certificates}"
        raise MissingInputError(host, reason, "name the files: --cert FILE --key FILE")
    return of_pair(pair.certificate, pair.key)


def _served(book: AccountBook, account: Account) -> tuple[str, ...] | None:
    """Return what the account has secrets for; None where the database is not here, or not for us."""
    with suppress(SmtpcredsError):
        return served(book.properties(account))
    return None
