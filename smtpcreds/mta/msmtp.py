"""msmtp on a client host: /etc/msmtprc, for root and for who is in the group mail.

msmtp is no set-id program and keeps no queue: whoever sends mail reads the secret and the key. A line of its
configuration takes everything between the first and the last quote as it is, and is at most 500 octets long
with its end (conf.c of msmtp 1.8.23). What it lets Debian's AppArmor profile read of TLS lies below /etc/ssl.
"""

from collections.abc import Mapping

from ..errors import DamagedFileError, InexpressibleError, UsageError
from ..model import Credential
from ..passwords.generation import text_fault
from ..secret import Secret
from ..shell import quote
from ..systems import DEBIAN
from .copies import Copies
from .field import Field
from .program import Content, Facts, File, Need, Rendered, Role, Work
from .sasl_conf import usable

NAME = "msmtp"
TITLE = "msmtp 1.8, for programs that call /usr/sbin/sendmail or msmtp"
ROLE = Role.CLIENT
FAMILY = "msmtp"
NEEDS = frozenset({Need.PAIR, Need.MATERIAL, Need.CREDENTIAL, Need.REVOCATIONS, Need.MECHANISMS})
VARIANTS: frozenset[str] = frozenset()
PATH = DEBIAN.msmtp_conf
SECRET_FILES: tuple[str, ...] = (PATH,)
GROUP = "mail"
COPIES = Copies("/etc/ssl/smtpcreds", GROUP)
MECHANISMS: tuple[str, ...] = ("DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-1")
"""In this order: since 1.8.26 msmtp gives libgsasl the channel binding, and libgsasl 2.2 then fails each
SCRAM that the server does not offer as -PLUS, which Cyrus SASL never does (observed)."""
FAILING = frozenset({"SCRAM-SHA-256", "SCRAM-SHA-1"})
"""What is left to a hub that offers nothing else."""
ACCOUNT = "smtpcreds"

MAX_LINE = 499
_CONTROLS = {bytes([octet]): "a control character" for octet in (*range(1, 32), 127)}
_FIELD = Field(PATH, MAX_LINE - len('password ""'), _CONTROLS)
_BLANK = b" \t\r\n"


def render(facts: Facts) -> tuple[Rendered, ...]:
    """Return the configuration, and copies of the certificates for its readers."""
    if facts.credential is None:
        raise UsageError(NAME, "needs an account to log in with")
    configuration = File(PATH, _configuration(facts, facts.credential), 0o640, group=GROUP)
    return (COPIES.key_file(facts), configuration, *COPIES.public_files(facts))


def parse(path: str, content: bytes) -> Mapping[str, str | Secret]:
    """Read one of the files as msmtp does."""
    if path in COPIES.paths:
        return COPIES.parse(path, content)
    found: dict[str, str | Secret] = {}
    for number, line in enumerate(content.split(b"\n"), 1):
        command, _, rest = line.strip(_BLANK).partition(b" ")
        if not command or command.startswith(b"#"):
            continue
        value = _unquoted(rest.strip(_BLANK))
        if not command.replace(b"_", b"").isalpha() or len(line) > MAX_LINE:
            raise DamagedFileError(path, f"line {number} is not 'command argument'")
        key = {b"user": "authcid", b"password": "secret"}.get(command, command.decode())
        found[key] = Secret(value) if key == "secret" else value.decode(errors="replace")
    return found


def work(_: Facts) -> Work:
    """Return how it is called."""
    allow = f"adduser USER {GROUP}    # for each user who is to send"
    return Work(usage=(allow, "msmtp --from=SENDER RECIPIENT < MESSAGE"))


def _configuration(facts: Facts, credential: Credential) -> Content:
    method = min(usable(NAME, MECHANISMS, facts.mechanisms), key=MECHANISMS.index)
    lines = {
        "host": facts.hub,
        "port": str(facts.port),
        "domain": facts.host,
        "tls": "on",
        "tls_starttls": "off" if facts.is_tls_from_the_start else "on",
        "tls_certcheck": "on",
        "tls_trust_file": COPIES.bundle,
        **COPIES.crl_setting(facts, "tls_crl_file"),
        "tls_cert_file": COPIES.certificate,
        "tls_key_file": COPIES.key,
        "auth": method.lower(),
    }
    text = "".join(f"{command} {value}\n" for command, value in lines.items())
    head = f"# {TITLE}; written by smtpcreds, do not edit\naccount {ACCOUNT}\n{text}".encode()
    head += b'user "' + _FIELD.login(credential) + b'"\npassword "'
    return head, _prepared(credential), f'"\naccount default : {ACCOUNT}\n'.encode()


def _prepared(credential: Credential) -> Secret:
    """Return the secret that SASLprep, which msmtp applies and Cyrus SASL does not, leaves as it is."""
    secret = _FIELD.secret(credential)
    if fault := text_fault(secret.reveal()):
        account = str(credential.account)
        raise InexpressibleError(account, f"the secret {fault}", f"smtpcreds sasl passwd {quote(account)}")
    return secret


def _unquoted(value: bytes) -> bytes:
    return value[1:-1] if len(value) > 1 and value.startswith(b'"') and value.endswith(b'"') else value
