"""One batch of certificates: the intention is recorded, then files are written, then the outcome.

Everything is in place before the mail server is told; if it can't be told, the former pairs come back.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from ..errors import SmtpcredsError, WriteError
from ..files import remove, write_all
from ..inventory import Intent, Signed, serial_text
from ..model import Artifact, Link
from ..pki.issue import sign
from ..pki.keyfile import encode_key
from ..pki.keys import PrivateKey, key_label, public_id
from ..pki.pem import encode_der
from ..pki.values import Certificate, Issuer, Request, Validity
from ..transaction import Transaction
from .former import Former
from .install import certificate_file, prepare
from .orders import Order
from .publish import Published, keep_fresh
from .reload import Hook, settle
from .rollback import Unproven, reload_or_roll_back


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate that is in place; ``shortened`` to the end of the authority."""

    order: Order
    certificate: Certificate
    shortened: bool

    @property
    def serial(self) -> str:
        """The serial number as the inventory has it: lower-case hex."""
        return serial_text(self.certificate.serial_number)


@dataclass(frozen=True, slots=True)
class Refused:
    """A host that got no certificate; nothing of it was changed."""

    host: str
    error: SmtpcredsError


Outcome = Issued | Refused


@dataclass(frozen=True, slots=True)
class Draft:
    """A certificate that is about to be signed.

    Attributes:
        order: what is wanted.
        key: the host's, new or kept.
        serial: never used before.
        validity: of the certificate.
        former: what a renewal replaces.
        keeps_key: the key is in place already.
        waited: the key waited beside the pair, and waits no more once all is in place.
    """

    order: Order
    key: PrivateKey = field(repr=False)
    serial: int
    validity: Validity
    former: Former | None = None
    keeps_key: bool = False
    waited: bool = False

    @property
    def serial_text(self) -> str:
        """The serial number as the inventory has it."""
        return serial_text(self.serial)

    @property
    def request(self) -> Request:
        """Whose names and key are certified."""
        return Request(self.order.host, self.key.public_key(), self.order.dns_names, self.order.addresses)

    def artifacts(self, certificate: Certificate, chain: Iterable[Certificate]) -> list[Artifact]:
        """Return the files to be written, in their order."""
        pair = self.order.pair
        kept = self.former.copies() if self.former else []
        key = [] if self.keeps_key else [Artifact(pair.key, encode_key(self.key))]
        content = certificate_file(certificate, chain)
        return [*kept, *key, Artifact(pair.certificate, content, note=self._note())]

    def _note(self) -> str:
        key = (
            "next key" if self.waited else "same key" if self.keeps_key else f"new {key_label(self.key)} key"
        )
        days = round(self.order.lifetime / timedelta(days=1))
        return f"{self.order.host}: {self.order.profile.label}, {key}, {days} days"


Pairs = Sequence[tuple[Draft, Certificate]]


def carry_out(
    work: Transaction,
    issuer: Issuer,
    drafts: Sequence[Draft],
    verb: str,
    *,
    progress: Callable[[], None] = lambda: None,
    hook: Hook | None = None,
    changed: bool = False,
) -> tuple[list[Outcome], Published | None]:
    """Sign and install the drafts; return what became of each, and the CRL if a new one was due.

    Args:
        work: where.
        issuer: who signs.
        drafts: may be empty; then only the CRL is looked after.
        verb: for the record.
        progress: called after each certificate.
        hook: run when all is in place, and only if anything changed.
        changed: something else did already.

    Raises:
        UnavailableError: the hook failed; the former pairs are back in place.
        WriteError, UnsafePathError: nothing was changed.
    """
    authority = work.row(issuer.certificate).id
    work.inventory.intend(_intent(work, authority, draft) for draft in drafts)
    try:
        pairs, refused = _sign(work, issuer, drafts, progress)
        crl = keep_fresh(work, issuer)
        _install(work, issuer, pairs)
        if hook and (pairs or crl or changed):
            reload_or_roll_back(work, issuer, hook, _unproven(pairs))
    except SmtpcredsError:
        work.recover()
        raise
    for draft, _ in pairs:
        if draft.waited:
            remove(draft.order.pair.next_key)
    _record(work, issuer, pairs, verb)
    if hook:
        settle(work)
    issued = [Issued(draft.order, certificate, draft.validity.shortened) for draft, certificate in pairs]
    return [*issued, *refused], crl


def _sign(
    work: Transaction, issuer: Issuer, drafts: Sequence[Draft], progress: Callable[[], None]
) -> tuple[Pairs, list[Refused]]:
    """Sign each draft; one that breaks a rule is given up without harm to the others."""
    authority = work.row(issuer.certificate).id
    pairs: list[tuple[Draft, Certificate]] = []
    refused: list[Refused] = []
    for draft in drafts:
        try:
            signed = sign(draft.request, draft.order.profile, issuer, draft.serial, draft.validity)
        except SmtpcredsError as error:
            work.inventory.discard(authority, draft.serial_text, str(error))
            refused.append(Refused(draft.order.host, error))
        else:
            pairs.append((draft, signed))
        progress()
    work.inventory.signed(authority, [_signed(*pair) for pair in pairs])
    return pairs, refused


def _install(work: Transaction, issuer: Issuer, pairs: Pairs) -> None:
    if not pairs:
        return
    artifacts: list[Artifact | Link] = []
    for directory in dict.fromkeys(draft.order.pair.directory for draft, _ in pairs):
        prepare(work.site, directory)
        artifacts += work.beside(directory)
    for draft, certificate in pairs:
        artifacts += draft.artifacts(certificate, issuer.path)
    write_all(artifacts)
    work.published()


def _unproven(pairs: Pairs) -> list[Unproven]:
    renewed = ((draft, draft.former) for draft, _ in pairs)
    return [Unproven(draft.order.host, draft.serial_text, former) for draft, former in renewed if former]


def _record(work: Transaction, issuer: Issuer, pairs: Pairs, verb: str) -> None:
    try:
        with work.inventory.transaction():
            work.inventory.issued(work.row(issuer.certificate).id, [draft.serial_text for draft, _ in pairs])
            deeds = [(draft.order.host, f"serial {draft.serial_text}") for draft, _ in pairs]
            work.record_all(verb, deeds)
    except WriteError as error:  # no room even for this; recovery settles it from what is on disk
        reason = "the certificates are in place, but there was no room to record it; the next command does"
        raise WriteError(error.subject, reason, error.hint) from error


def _intent(work: Transaction, authority: int, draft: Draft) -> Intent:
    order, span = draft.order, draft.validity
    return Intent(
        authority,
        draft.serial_text,
        order.host,
        order.profile.name,
        order.names,
        span.not_before,
        span.not_after,
        work.now,
        work.site.root.record(order.pair.stem),
    )


def _signed(draft: Draft, certificate: Certificate) -> Signed:
    return Signed(draft.serial_text, public_id(draft.key), encode_der(certificate))
