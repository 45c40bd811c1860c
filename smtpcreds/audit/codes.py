"""The table of all codes, in the order of the manual page."""

from .code import Code, Severity, table
from .codes_cert import CERT
from .codes_mta import MTA
from .codes_perm import PERM
from .codes_sasl import SASL

AUDIT = table(
    (
        "AUDIT001",
        Severity.WARNING,
        "something could not be looked at",
        "do what the reason says, and run the audit again; as root it sees the most",
    ),
)

CODES: dict[str, Code] = {**AUDIT, **PERM, **CERT, **SASL, **MTA}
