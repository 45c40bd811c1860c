"""The CRL of a root: which of the issuing CAs below it are trusted no more.

It changes only when an issuing CA is retired, and it lives as long as the root: the root's key may lie in a
safe for years, and an expired list would make verifiers refuse everything below. It is its own record: the
next one lists what the last one did, and counts on from it.
"""

from collections.abc import Iterable, Iterator

from ..config import Site
from ..errors import UNUSABLE
from ..files import exists, is_file, read_if_there
from ..lazy import dataclass
from ..pki.crl import Crl, may_sign_crls, read_crl
from ..pki.names import title
from ..pki.revocation import Reason, Revoked
from ..pki.values import Certificate, Issuer
from ..transaction import Transaction
from .authority import CA, Passphrase, SupersededCA, crl_name, opened
from .crl import NewCrl, sign_crl, verify_clock
from .directory import directories
from .state import is_revoked_above


@dataclass(frozen=True)
class RootKey:
    """Where the key of the CA above is, unless it lies with the authority; its passphrase if it differs."""

    path: str | None = None
    passphrase: Passphrase | None = None
    new: bool = False

    def find(self, ca: CA) -> str | None:
        """Return the path of the key; None where it is not on this host."""
        found = self.path or ca.files.root_key
        return found if self.path or is_file(found) else None

    def open(self, work: Transaction, path: str) -> Issuer:
        """Return the root ready to sign."""
        question = self.passphrase
        asked = work.passphrase if question is None else lambda: work.ask(question)
        return opened(path, work.ca.chain[1:], asked)


def new_root_crl(
    site: Site,
    root: Issuer,
    last: Crl | None = None,
    more: Iterable[Revoked] = (),
    *,
    force: bool = False,
) -> NewCrl:
    """Return a CRL of the root, valid to the root's end.

    Args:
        site: gives the time.
        root: signs.
        last: the CRL before; None where this is the first one.
        more: issuing CAs that are to be listed too.
        force: the clock was ahead when the one before was signed.
    """
    verify_clock(site.clock(), root.certificate, None if force else last)
    listed = {entry.serial: entry for entry in (*more, *(last.entries() if last else ()))}
    number = 1 if last is None else (last.number or 0) + 1
    return sign_crl(site, root, number, list(listed.values()), root.not_after - site.clock())


def last_root_crl(work: Transaction) -> Crl | None:
    """Return the newest CRL of the root: with the authority, or beside certificates if that was restored."""
    ca = work.ca
    root, name = ca.chain[1], crl_name(ca.chain[1])
    published = (f"{directory}/{name}" for directory in directories(work.site, work.inventory))
    found = [crl for path in (ca.files.root_crl, *published) if (crl := _read(path, root))]
    return max(found, key=lambda crl: crl.number or 0, default=None)


def lacks_root_crl(ca: CA) -> bool:
    """Tell whether there is a root above that may sign CRLs and whose CRL is not here."""
    return len(ca.chain) > 1 and may_sign_crls(ca.chain[1]) and not exists(ca.files.root_crl)


def to_revoke(ca: CA, work: Transaction) -> list[SupersededCA]:
    """Return the replaced issuing CAs that verifiers accept as long as the root does not revoke them."""
    below = (former for former in (*ca.superseded_cas, *ca.retired) if former.path[1:2] == ca.chain[1:2])
    living = [former for former in below if former.certificate.not_valid_after_utc > work.now]
    if len(ca.chain) == 1 or not may_sign_crls(ca.chain[1]):
        return []
    return [former for former in living if not is_revoked_above(ca, former)]


def entries(work: Transaction, revoked: Iterable[SupersededCA]) -> Iterator[Revoked]:
    """Yield what the root's CRL says of retired issuing CAs."""
    for former in revoked:
        yield Revoked(former.certificate.serial_number, work.now, Reason.SUPERSEDED)


def warn_of_no_root_crl(work: Transaction, *, is_ahead: bool = False) -> None:
    """Tell who refuses what is below a root without a CRL, or with one that is not valid yet."""
    has, force = ("a CRL that is not valid yet", " --force") if is_ahead else ("no CRL here", "")
    work.warn(
        f"{title(work.ca.chain[1])}: has {has}, so programs that ask for all of them (curl, Exim with "
        f"OpenSSL) refuse every certificate below it; with its key: smtpcreds ca crl{force} --root-key FILE"
    )


def _read(path: str, root: Certificate) -> Crl | None:
    try:
        content = read_if_there(path)
        return None if content is None else read_crl(content, path, root)
    except UNUSABLE:  # not ours, or damaged: it is written anew
        return None
