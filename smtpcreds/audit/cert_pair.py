"""CERT: a key and its certificate: can they be loaded, do they belong together, are they strong."""

import os
from collections import defaultdict
from collections.abc import Iterator

from ..authority.ca import has_authority
from ..authority.layout import pair_of
from ..errors import MissingInputError, SmtpcredsError
from ..files import read_public
from ..pki.chains import WEAK_HASHES, is_self_signed
from ..pki.dn import title
from ..pki.keyfile import decode_key
from ..pki.keys import matches, public_id, weakness
from ..pki.pem import parse_certificates
from .finding import Finding, found
from .holdings import Holding, Place, hosts, places_of
from .world import World

_NO_TLS = "so there is no TLS"


def loadable(world: World) -> Iterator[Finding]:
    """Every file that is configured, or named like a pair, is there and in the form that is read."""
    for place in places_of(world):
        yield from _certificate(world, place)
        if not _is_weak(world, place):
            yield from _key(world, place)
    for path in dict.fromkeys(world.path(use.ca_file) for use in world.uses if use.ca_file):
        yield from _authorities(world, path)


def belongs(world: World) -> Iterator[Finding]:
    """Each key is that of its certificate."""
    for holding in world.holdings:
        path = holding.place.key
        try:
            key = decode_key(read_public(path), None, path) if os.path.isfile(path) else None
        except SmtpcredsError:
            continue  # CERT002
        if key is not None and not matches(holding.leaf, key):
            reason = f"is not the key of {holding.path}, {_NO_TLS}"
            yield found("CERT001", path, reason, issue_again(world, holding))


def strong(world: World) -> Iterator[Finding]:
    """Keys that OpenSSL's security level 2 takes, and signatures by a hash that somebody still verifies."""
    for holding in world.holdings:
        if fault := weakness(holding.leaf.public_key()):
            reason = f"has a key that {fault}"
            yield found("CERT010", holding.path, reason, issue_again(world, holding))
        for certificate in (holding.leaf, *holding.others):
            algorithm = certificate.signature_hash_algorithm
            if isinstance(algorithm, WEAK_HASHES) and not is_self_signed(certificate):
                reason = f"{title(certificate)} is signed with {algorithm.name.upper()}"
                yield found("CERT011", holding.path, reason, issue_again(world, holding))


def shared(world: World) -> Iterator[Finding]:
    """No two hosts have one key."""
    by_key: defaultdict[str, dict[str, Holding]] = defaultdict(dict)
    for holding, host in hosts(world.holdings):
        by_key[public_id(holding.leaf)].setdefault(host, holding)
    for owners in by_key.values():
        if len(owners) > 1:
            holding = list(owners.values())[-1]
            reason = f"has the same key as {' and '.join(list(owners)[:-1])}"
            yield found("CERT012", holding.path, reason, issue_again(world, holding))


def issue_again(world: World, holding: Holding, option: str = "") -> str:
    """Return the command that makes a new pair in the same place."""
    return issue(world, holding.path, next(hosts((holding,)))[1], option)


def issue(world: World, path: str, host: str, option: str = "") -> str:
    """Return the command for a pair at a path, or of files to be configured instead of that path."""
    directory = os.path.dirname(path)
    pair = pair_of(world.site, host, directory)
    command = " ".join(filter(None, ("smtpcreds cert issue", host, option, "--force")))
    if path not in {pair.certificate, pair.key}:
        return f"{at_authority(world, command)}, and configure its files instead of {path}"
    here = directory == world.site.certificates or not has_authority(world.site)
    return at_authority(world, command if here else f"{command} --to {directory}")


def at_authority(world: World, command: str) -> str:
    """Return a command of the authority, for this host or for the one where that is."""
    return command if has_authority(world.site) else f"on the authority: {command}; then copy the files here"


def _certificate(world: World, place: Place) -> Iterator[Finding]:
    path = place.certificate
    cure = f"{issue(world, path, world.host)}, or correct the path"
    try:
        parsed = parse_certificates(read_public(path), path)
    except MissingInputError:
        yield found("CERT002", path, f"is missing, {_NO_TLS}", cure)
    except SmtpcredsError as error:
        yield found("CERT002", path, f"{error.reason}, {_NO_TLS}", cure)
    else:
        if parsed.encoding != "PEM":
            cure = f"openssl x509 -inform DER -in {path} -out NEW, and put it there"
            yield found("CERT002", path, f"is DER where PEM is read, {_NO_TLS}", cure)


def _key(world: World, place: Place) -> Iterator[Finding]:
    path = place.key
    if not path:
        yield found("CERT002", place.certificate, f"has no key configured, {_NO_TLS}", "configure its key")
        return
    cure = f"{issue(world, path, world.host)}, or put the key back from a backup"
    try:
        decode_key(read_public(path), None, path)
    except MissingInputError:
        yield found("CERT002", path, f"is missing, {_NO_TLS}", cure)
    except SmtpcredsError as error:
        yield found("CERT002", path, f"{error.reason}, {_NO_TLS}", cure)


def _authorities(world: World, path: str) -> Iterator[Finding]:
    cure = f"{at_authority(world, 'smtpcreds ca crl')}, or correct the path"
    try:
        parse_certificates(read_public(path), path)
    except MissingInputError:
        yield found("CERT002", path, f"is missing, {_NO_TLS}", cure)
    except SmtpcredsError as error:
        yield found("CERT002", path, f"{error.reason}, {_NO_TLS}", cure)


def _is_weak(world: World, place: Place) -> bool:
    held = (holding for holding in world.holdings if holding.place == place)
    return any(weakness(holding.leaf.public_key()) for holding in held)
