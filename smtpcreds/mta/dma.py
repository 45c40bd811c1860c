"""The DragonFly Mail Agent on a client host.

It checks neither the chain nor the name of a server's certificate; all it can verify is the certificate's
fingerprint, which changes with every renewal. It runs as the group mail. No quoting in either file: of
auth.conf a line is ``user|host:password``, the password up to the end of the line, which is at most 2047
octets long (conf.c of dma 0.13).
"""

from collections.abc import Iterator, Mapping

from ..errors import DamagedFileError, UsageError
from ..model import Credential
from ..secret import Secret
from .access import FENCE
from .field import Field
from .program import Content, Facts, File, Include, Need, Premise, Rendered, Role, Work
from .sasl_conf import usable

NAME = "dma"
TITLE = "DragonFly Mail Agent 0.13, which knows the hub by its fingerprint"
ROLE = Role.CLIENT
FAMILY = "dma"
NEEDS = frozenset({Need.CREDENTIAL, Need.FINGERPRINT})
VARIANTS: frozenset[str] = frozenset()
PATH = "/etc/dma/smtpcreds/auth.conf"
SECRET_FILES: tuple[str, ...] = (PATH,)
CONFIGURATION = "/etc/dma/dma.conf"
MECHANISMS: tuple[str, ...] = ("CRAM-MD5", "LOGIN")
"""It takes CRAM-MD5 wherever that is offered."""

MAX_LINE = 2046
_LOGIN = Field("auth.conf", 255, {b"|": "a bar", b":": "a colon"}, {b"#": "#"})
_WEAK = {
    "OPPORTUNISTIC_TLS": "which makes dma send the mail without TLS",
    "INSECURE": "which makes dma send the secret without TLS",
}
_SMTPS = {"STARTTLS": "which port 465 does not know"}


def render(facts: Facts) -> tuple[Rendered, ...]:
    """Return the account; all else stands in dma.conf, which includes nothing."""
    if facts.credential is None:
        raise UsageError(NAME, "needs an account to log in with")
    if not facts.fingerprint:
        raise UsageError(NAME, "needs the fingerprint of the hub's certificate", "--fingerprint HEX")
    usable(NAME, MECHANISMS, facts.mechanisms)
    return (File(PATH, _account(facts, facts.credential), 0o640, group="mail"),)


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read the file as dma does; the last line counts."""
    found: dict[str, str | Secret] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        if not line or line.startswith(b"#"):
            continue
        login, bar, rest = line.partition(b"|")
        host, colon, secret = rest.partition(b":")
        if not bar or not colon or len(line) > MAX_LINE:
            raise DamagedFileError(path, f"line {number} is not 'user|host:password'")
        names = {"authcid": login, "host": host}
        found = {name: value.decode(errors="replace") for name, value in names.items()}
        found["secret"] = Secret(secret)
    return found


def work(facts: Facts) -> Work:
    """Return the lines of dma.conf, of which the last of a name counts."""
    wanted = _settings(facts)

    def lacking(text: str) -> tuple[str, ...]:
        found = _in_force(text)
        return tuple(_line(*item) for item in wanted.items() if item not in found.items())

    def faults(text: str) -> Iterator[tuple[str, str]]:
        undone = {**_WEAK, **_SMTPS} if facts.is_tls_from_the_start else _WEAK
        names = [name for name in undone if name in _in_force(text)]
        yield from ((f"has {name}, {undone[name]}", f"remove the line {name}") for name in names)

    lines = tuple(map(_line, wanted, wanted.values()))
    include = Include(CONFIGURATION, lines, "at the end", fence=FENCE, lacking=lacking)
    return Work((include,), premises=(Premise(CONFIGURATION, faults),))


def _line(name: str, value: str) -> str:
    return f"{name} {value}".rstrip()


def _in_force(text: str) -> Mapping[str, str]:
    lines = (line.partition("#")[0].replace("\t", " ").partition(" ") for line in text.splitlines())
    return {name: value.strip() for name, _, value in lines if name}


def _settings(facts: Facts) -> Mapping[str, str]:
    starttls = {} if facts.is_tls_from_the_start else {"STARTTLS": ""}
    return {
        "SMARTHOST": facts.hub,
        "PORT": str(facts.port),
        "AUTHPATH": PATH,
        "SECURETRANSFER": "",
        **starttls,
        "FINGERPRINT": facts.fingerprint.upper(),
    }


def _account(facts: Facts, credential: Credential) -> Content:
    head = _LOGIN.login(credential) + f"|{facts.hub}:".encode()
    secret = Field("auth.conf", MAX_LINE - len(head)).secret(credential)
    return head, secret, b"\n"
