"""The certificate directory of a client host: CA, CRLs, key and certificate of a bundle."""

from collections.abc import Iterator

from ..authority.answers import Answer
from ..authority.ca import Listed
from ..authority.install import certificate_file, check, prepare, surroundings
from ..authority.install_answer import install
from ..authority.placing import key_id
from ..authority.standing import refuse_standing
from ..bundle.opening import Opened
from ..config import Site
from ..errors import ExistsError, MissingInputError
from ..files import check_target, exists, read_private, write_all
from ..model import Artifact, Link
from ..pki.crl import Crl, read_crl
from ..pki.describe import purposes_of
from ..pki.keys import public_id
from ..pki.profiles import HOST_PROFILES, RELAY
from ..transaction import Transaction

_BY_ROLES = {profile.purposes: profile for profile in HOST_PROFILES.values()}


def install_pair(work: Transaction, answer: Answer, opened: Opened, *, force: bool) -> bool:
    """Write what is missing, and record the certificate; tell whether anything was.

    The key waits beside the one in use until its certificate is there, so that a killed run is completed.

    Raises:
        ExistsError: another valid certificate, another key that waits, and ``force`` is not given.
        MissingInputError: no key, neither in the bundle nor here.
        UnsafePathError: others can change the directory, or a link stands in the way.
    """
    site = work.site
    check(answer.pair.directory)
    around = _around(site, opened)
    if _is_in_place(answer, opened):
        if around:
            prepare(site, answer.pair.directory)
            write_all(around)
        return bool(around)
    _verify_place(site, answer, opened, force=force)
    _ = work.inventory
    prepare(site, answer.pair.directory)
    if opened.key:
        write_all([Artifact(answer.pair.next_key, opened.key.reveal())])
    profile = _BY_ROLES.get(purposes_of(opened.certificate), RELAY)
    install(work, answer, profile, around, "setup")
    return True


def _around(site: Site, opened: Opened) -> list[Artifact | Link]:
    """Return what of bundle, CRLs and links is missing; a CRL here that is newer than the bundle's stays."""
    return surroundings(site.certificates, opened.trust, tuple(_newest(site, opened)))


def _newest(site: Site, opened: Opened) -> Iterator[Listed]:
    for item in opened.lists:
        path = f"{site.certificates}/{item.name}"
        given = read_crl(item.content, item.name, None)
        here = read_private(path) if check_target(path) else None
        keep = here is not None and _number(read_crl(here, path, None)) > _number(given)
        yield Listed(item.name, item.issuer, here) if keep and here else item


def warn_of_ended_lists(site: Site, opened: Opened) -> None:
    """Warn of each CRL that will have ended once the bundle is in place."""
    for item in _newest(site, opened):
        if not read_crl(item.content, item.name, None).is_current(site.clock()):
            site.warn(f"{opened.name}: its {item.name} has ended; copy a new one from the hub, or mail stops")


def _number(crl: Crl) -> int:
    return -1 if crl.number is None else crl.number


def _is_in_place(answer: Answer, opened: Opened) -> bool:
    pair = answer.pair
    if not exists(pair.certificate) or key_id(pair.key) != public_id(opened.certificate):
        return False
    return read_private(pair.certificate) == certificate_file(answer.certificate, answer.above)


def _verify_place(site: Site, answer: Answer, opened: Opened, *, force: bool) -> None:
    pair, wanted = answer.pair, public_id(opened.certificate)
    check_target(pair.certificate)
    if opened.key is None:
        if wanted not in {key_id(pair.key), key_id(pair.next_key)}:
            reason = f"is not the key of the certificate in {opened.name}, which has none"
            raise MissingInputError(pair.key, reason, f"on the hub: smtpcreds bundle {answer.host} --new-key")
        return
    if force:
        return
    if exists(pair.next_key) and key_id(pair.next_key) != wanted:
        raise ExistsError(pair.next_key, "is a key that waits for its certificate", "--force to replace it")
    if key_id(pair.key) != wanted:
        refuse_standing(pair, answer.host, site.clock(), None)
