"""Does this password open this account? The records are asked, and the host's libsasl2 where there is one."""

from collections.abc import Callable, Mapping, Sequence
from hmac import compare_digest

from ..errors import PasswordRefusedError
from ..lazy import dataclass
from ..model import Account, Credential
from ..passwords import is_cram_md5_of, is_digest_md5_of, is_plain_of, is_scram_of
from ..sasldb import libsasl
from ..sasldb.records import AUTH_PASSWORD, USER_PASSWORD
from ..secret import Secret
from .database import AccountDatabase
from .entries import CLEAR_TEXT, LENGTHS, served
from .stored import first_value, property_of


@dataclass(frozen=True)
class Verdict:
    """What is said of one mechanism.

    Attributes:
        mechanism: its registered name.
        records: whether the stored values were made from the password; None for OTP and SRP, whose values
            are not read here.
        libsasl2: whether the host's own library lets the password in; None where it gave no answer.
        reason: why it gave none.
    """

    mechanism: str
    records: bool | None
    libsasl2: bool | None
    reason: str = ""

    @property
    def opens(self) -> bool | None:
        """False where one of the two says no, None where none says anything."""
        known = {self.records, self.libsasl2} - {None}
        return all(known) if known else None


def verify(
    accounts: AccountDatabase, account: Account, secret: Secret, mechanisms: Sequence[str] = ()
) -> list[Verdict]:
    """Return a verdict for each mechanism asked for; by default for each that the account serves."""
    held = accounts.properties(account)
    asked, who = tuple(mechanisms) or served(held), Credential(account, secret, accounts.site.realm)
    checked = [mechanism for mechanism in asked if mechanism in CLEAR_TEXT]
    answers = libsasl.ask(accounts.database, who, checked) if checked else {}
    nothing = libsasl.Answer(None, "can't be checked")
    return [
        Verdict(m, opens(held, account, secret, m), answer.opens, answer.reason)
        for m, answer in ((m, answers.get(m, nothing)) for m in asked)
    ]


def opens(held: Mapping[str, bytes], account: Account, secret: Secret, mechanism: str) -> bool | None:
    """Tell what the records say, in libsasl2's order: ``userPassword`` before all others, except for PLAIN.

    Args:
        held: the account's properties.
        account: who, for DIGEST-MD5 hashes the name.
        secret: the password in question.
        mechanism: any; None is the answer for OTP and SRP.
    """
    if mechanism not in CLEAR_TEXT:
        return None
    if mechanism not in served(held):
        return False
    clear = held.get(USER_PASSWORD)
    if clear is not None and compare_digest(clear.partition(b"\0")[0], secret.reveal()):
        return True
    if clear is not None and mechanism not in ("PLAIN", "LOGIN"):
        return False
    return _is_hashed(held, account, secret, "PLAIN" if mechanism == "LOGIN" else mechanism)


def credential(accounts: AccountDatabase, account: Account, secret: Secret) -> Credential:
    """Return the account with a secret that was kept elsewhere.

    Raises:
        PasswordRefusedError: the secret does not open it.
    """
    if not opens_any(accounts.properties(account), account, secret):
        hint = f"give it another one: smtpcreds sasl passwd {accounts.shown(account)} --auth-info FILE"
        raise PasswordRefusedError(str(account), "has another password than the one given (--password)", hint)
    return Credential(account, secret, accounts.site.realm)


def opens_any(held: Mapping[str, bytes], account: Account, secret: Secret) -> bool:
    """Tell whether the password opens the account by any mechanism."""
    return any(opens(held, account, secret, mechanism) for mechanism in served(held))


_CHECKS: dict[str, Callable[[bytes, Account, Secret], bool]] = {
    "CRAM-MD5": lambda stored, _, secret: is_cram_md5_of(stored, secret),
    "DIGEST-MD5": is_digest_md5_of,
    "PLAIN": lambda stored, _, secret: is_plain_of(stored, secret),
}


def _is_hashed(held: Mapping[str, bytes], account: Account, secret: Secret, mechanism: str) -> bool:
    if mechanism not in _CHECKS:
        return is_scram_of(first_value(held[AUTH_PASSWORD]), secret)
    name = property_of(mechanism)
    stored = held.get(name, b"")[: LENGTHS[name]]
    return len(stored) == LENGTHS[name] and _CHECKS[mechanism](stored, account, secret)
