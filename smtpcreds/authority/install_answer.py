"""Installing the answer of another CA: its certificate joins the key that waited, its CAs the bundle."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..config import Site
from ..errors import DataError, SmtpcredsError
from ..files import check_target, write_all
from ..inventory import Certificate as Row
from ..inventory import Inventory, State, serial_text
from ..model import Artifact, Link
from ..pki.constraints import names_of
from ..pki.describe import fingerprint
from ..pki.keys import public_id
from ..pki.pem import encode_der
from ..pki.profiles import Profile
from ..pki.values import Certificate
from ..transaction import Transaction
from .answers import Answer, Sources, read_answer
from .ca import CA
from .install import bundled, check, prepare, surroundings, trust
from .ledger import ensure_external_authority
from .placing import put_in_place


@dataclass(frozen=True, slots=True)
class Installed:
    """An answer that is in place; ``added`` are the CA certificates that are new in the bundle."""

    answer: Answer
    added: tuple[Certificate, ...]


def install_answer(work: Transaction, sources: Sources) -> Installed:
    """Install an answer of another CA, once it is checked.

    Raises:
        SmtpcredsError: as :func:`.answers.read_answer`; a link or a foreign file in its place.
        DataError: it was revoked.
    """
    answer = read_answer(work.site, work.ca, sources)
    check(answer.pair.directory)
    check_target(answer.pair.certificate)
    there = bundled(answer.pair.directory)
    added = tuple(ca for ca in answer.above if ca not in there)
    _refuse_revoked(work.begin(), answer, sources.answer)
    for ca in added:
        work.note("trust", ca.subject.rfc4514_string())
    install(work, answer, sources.profile, _around(work.ca, answer), "cert install")
    return Installed(answer, added)


def install(
    work: Transaction, answer: Answer, profile: Profile, around: Sequence[Artifact | Link], verb: str
) -> None:
    """Put a certificate that was checked beside its key, and record it.

    Args:
        work: where.
        answer: its key is in place or waits.
        profile: the roles in which the host will use it.
        around: what is to stand beside the pair.
        verb: for the record.
    """
    inventory = work.inventory
    before = _known(inventory, answer)
    row = _recorded(work, answer, profile)
    try:
        prepare(work.site, answer.pair.directory)
        write_all(around)
        put_in_place(answer.pair, answer.certificate, answer.above)
    except SmtpcredsError:
        _withdraw(inventory, row, before)
        raise
    with inventory.transaction():
        inventory.issued(row.authority, [row.serial])
        work.record(verb, answer.host, f"serial {row.serial}")


def _known(inventory: Inventory, answer: Answer) -> Row | None:
    return next(iter(inventory.find(fingerprint(answer.certificate))), None)


def _refuse_revoked(inventory: Inventory, answer: Answer, subject: str) -> None:
    row = _known(inventory, answer)
    if row and row.state is State.REVOKED:
        raise DataError(subject, "is revoked", f"smtpcreds cert request {answer.host} --new-key")


def _withdraw(inventory: Inventory, row: Row, before: Row | None) -> None:
    """Leave the inventory as it was before an installation that failed."""
    if before is None or before.state is not State.ISSUED:
        inventory.discard(row.authority, row.serial, "could not be installed")
        return
    with inventory.transaction():
        inventory.place(before.authority, before.serial, before.directory)
        inventory.issued(before.authority, [before.serial])


def _recorded(work: Transaction, answer: Answer, profile: Profile) -> Row:
    """Record that the certificate is about to be installed; one that is known already is moved."""
    site, inventory = work.site, work.inventory
    own = work.ca.chain if work.ca.is_there else ()
    with inventory.transaction():
        for ca in answer.above:
            if ca not in own:
                ensure_external_authority(site, inventory, ca)
        row = _row(site, answer, profile, ensure_external_authority(site, inventory, answer.above[0]).id)
        inventory.adopt([(row, encode_der(answer.certificate))])
        inventory.place(row.authority, row.serial, row.directory)
    return row


def _row(site: Site, answer: Answer, profile: Profile, authority: int) -> Row:
    certificate = answer.certificate
    names = names_of(certificate)
    return Row(
        authority=authority,
        serial=serial_text(certificate.serial_number),
        host=answer.host,
        profile=profile.name,
        names=(*names.dns_names, *map(str, names.addresses)),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        created=site.clock(),
        directory=site.root.record(answer.pair.stem),
        state=State.PENDING,
        key_id=public_id(certificate),
    )


def _around(ca: CA, answer: Answer) -> list[Artifact | Link]:
    directory = answer.pair.directory
    if not ca.is_there:
        return trust(directory, answer.above)
    return surroundings(directory, (*ca.trusted, *answer.above), ca.crl_lists())
