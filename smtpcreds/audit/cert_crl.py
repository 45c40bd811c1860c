"""CERT: lists of revoked certificates, whose absence nobody notices and whose end stops everything."""

import os
from collections.abc import Iterator

from ..authority.due import is_due
from ..authority.layout import ca_files
from ..errors import SmtpcredsError
from ..files import read_public
from ..pki.crl import Crl, read_crl, verify_crl
from ..pki.hashlinks import subject_hash
from ..pki.pem import blocks
from ..pki.values import Certificate
from .finding import Finding, found
from .holdings import certificates_in, trusted_by
from .uses import Use
from .world import World

CURE = "smtpcreds ca crl"
_LABELS = {"X509 CRL", "CRL"}


def present(world: World) -> Iterator[Finding]:
    """Sendmail is told of a CRL, and finds it; else it believes revoked certificates without a word."""
    for use in world.uses:
        if use.program == "sendmail" and (why := _absent(world, use)):
            yield found("CERT013", world.path(use.config), why, f"{CURE}, and define confCRL")


def readable(world: World) -> Iterator[Finding]:
    """Each file of a CRL holds one, as PEM."""
    for path in _files(world):
        content = world.content(path)
        if content is None:
            continue
        lists = [block for block in blocks(content) if block.label in _LABELS]
        if not lists or any(block.decode() is None for block in lists):
            what = "is empty" if not content else "is no PEM of a CRL"
            yield found("CERT017", path, f"{what}, so Sendmail revokes nothing", CURE)
        elif len(lists) > 1:
            reason = f"holds {len(lists)} CRLs, of which Sendmail reads the first"
            yield found(
                "CERT018", path, reason, "give each a file of its own in confCRL_PATH, and openssl rehash"
            )


def current(world: World) -> Iterator[Finding]:
    """Each CRL is valid now, and for a while yet."""
    now = world.site.clock()
    for path, crl in _lists(world):
        begin, end = crl.this_update, crl.next_update
        if not crl.is_current(now):
            fault = f"expired on {end:%Y-%m-%d %H:%M} UTC" if end and now > end else "is not valid yet"
            yield found("CERT014", path, f"{fault}, so every certificate of its CA is refused", CURE)
        elif end and is_due(begin, end, now):
            yield found("CERT015", path, f"expires on {end:%Y-%m-%d}, in {(end - now).days} days", CURE)


def issued(world: World) -> Iterator[Finding]:
    """Each CRL is signed by a CA that is believed here."""
    for path, crl in _lists(world):
        authorities = [*certificates_in(f"{os.path.dirname(path)}/cacert.pem"), *world.authorities]
        for use in world.uses:
            authorities += trusted_by(world, use)
        if authorities and not any(_is_of(crl, ca, path) for ca in dict.fromkeys(authorities)):
            reason = f"is not signed by a CA that is believed here, but by {crl.issuer}"
            yield found("CERT016", path, reason, CURE)


def crls_in(world: World, directory: str) -> Iterator[tuple[str, Crl]]:
    """Yield the CRLs of a directory that can be read."""
    for name in world.names(directory):
        if name.startswith("crl") and name.endswith(".pem"):
            path = f"{directory}/{name}"
            try:
                yield path, read_crl(read_public(path), path, None)
            except SmtpcredsError:
                continue  # CERT017


def _absent(world: World, use: Use) -> str | None:
    if use.crl_file:
        path = world.path(use.crl_file)
        return None if os.path.exists(path) else f"names the CRL {path}, which is missing: nothing is revoked"
    if not use.crl_path:
        return "names no CRL, so certificates that were revoked are believed"
    names = world.names(world.path(use.crl_path))
    stems = {subject_hash(ca) for ca in trusted_by(world, use)}
    if any(name.partition(".r")[0] in stems for name in names if ".r" in name):
        return None
    return f"has CRLPath {use.crl_path}, where no hash link leads to a CRL: nothing is revoked"


def _files(world: World) -> list[str]:
    """Return the CRL files that are configured, lie beside certificates, or with the authority."""
    named = [world.path(use.crl_file) for use in world.uses if use.crl_file]
    lying = [
        f"{directory}/{name}"
        for directory in world.own_places
        for name in world.names(directory)
        if name.startswith("crl") and name.endswith(".pem")
    ]
    return list(dict.fromkeys((*named, *lying, ca_files(world.site).crl)))


def _lists(world: World) -> Iterator[tuple[str, Crl]]:
    for path in _files(world):
        content = world.content(path)
        first = next((block for block in blocks(content or b"") if block.label in _LABELS), None)
        if first:
            try:
                yield path, read_crl(first.text(), path, None)
            except SmtpcredsError:
                continue  # CERT017


def _is_of(crl: Crl, issuer: Certificate, path: str) -> bool:
    try:
        verify_crl(crl, issuer, path)
    except SmtpcredsError:
        return False
    return True
