"""swaks, the tester: a file for its option --config.

Everything behind the first blank of a line is the option's argument, without any quoting; an argument that
begins with a dash is taken for the next option, ``<>`` and ``0`` for an empty one. swaks verifies the chain
of the hub's certificate, its name only since 20240103: it is for tests.
"""

from collections.abc import Mapping

from ..errors import DamagedFileError, UsageError
from ..secret import Secret
from .field import Field
from .program import Facts, File, Need, Rendered, Role, Work
from .sasl_conf import usable

NAME = "swaks"
TITLE = "swaks, to test the hub by hand; until 2023 it does not check its name"
ROLE = Role.CLIENT
FAMILY = "swaks"
NEEDS = frozenset({Need.PAIR, Need.CREDENTIAL, Need.MECHANISMS})
VARIANTS: frozenset[str] = frozenset()
PATH = "/etc/smtpcreds/clients/swaks"
SECRET_FILES: tuple[str, ...] = (PATH,)
MECHANISMS: tuple[str, ...] = ("CRAM-MD5", "PLAIN", "LOGIN")
"""Its DIGEST-MD5 needs Perl modules that its package only suggests, and dies without them."""

_FIELD = Field("the configuration of swaks", 2047, first={b"-": "a dash"}, whole={b"<>": "<>", b"0": "0"})
_WITH_ARGUMENT = frozenset(
    {"server", "port", "helo", "auth", "auth-user", "auth-password", "tls-ca-path", "tls-cert", "tls-key"}
)
_FLAGS = frozenset({"tls", "tls-on-connect", "tls-verify", "auth-hide-password"})


def render(facts: Facts) -> tuple[Rendered, ...]:
    """Return the one file."""
    if facts.credential is None:
        raise UsageError(NAME, "needs an account to log in with")
    tls = "tls-on-connect" if facts.is_tls_from_the_start else "tls"
    head = f"# {TITLE}; written by smtpcreds, do not edit\n{tls}\ntls-verify\nauth-hide-password\n".encode()
    head += b"".join(
        name.encode() + b" " + _FIELD.text(name, value) + b"\n" for name, value in _settings(facts).items()
    )
    head += b"auth-user " + _FIELD.login(facts.credential) + b"\nauth-password "
    return (File(PATH, (head, _FIELD.secret(facts.credential), b"\n"), 0o600),)


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read the file as swaks does."""
    found: dict[str, str | Secret] = {}
    for number, line in enumerate(content.removesuffix(b"\n").split(b"\n"), 1):
        if line.startswith(b"#"):
            continue
        option, blank, value = line.partition(b" ")
        name = option.decode(errors="replace")
        if name not in (_WITH_ARGUMENT if blank else _FLAGS):
            raise DamagedFileError(path, f"line {number} is none that smtpcreds writes")
        key = {"auth-user": "authcid", "auth-password": "secret"}.get(name, name)
        found[key] = Secret(value) if key == "secret" else value.decode(errors="surrogateescape")
    return found


def work(_: Facts) -> Work:
    """Return how it is called."""
    return Work(usage=(f"swaks --config {PATH} --from SENDER --to RECIPIENT",))


def _settings(facts: Facts) -> Mapping[str, str]:
    return {
        "server": facts.hub,
        "port": str(facts.port),
        "helo": facts.host,
        "tls-ca-path": facts.tls.bundle,
        "tls-cert": facts.tls.certificate,
        "tls-key": facts.tls.key,
        "auth": ",".join(usable(NAME, MECHANISMS, facts.mechanisms)),
    }
