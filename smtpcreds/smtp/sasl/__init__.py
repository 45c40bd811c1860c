"""The client's side of SASL mechanisms: one table, strongest first."""

from . import scram
from .clear import external, login_, plain
from .cram_md5 import cram_md5
from .digest_md5 import digest_md5
from .exchange import WAIT, Binding, Channel, Exchange, Login, Mechanism, Message

EXTERNAL = "EXTERNAL"
PLUS = scram.PLUS

MECHANISMS: dict[str, Mechanism] = {
    EXTERNAL: external,
    **scram.MECHANISMS,
    "DIGEST-MD5": digest_md5,
    "CRAM-MD5": cram_md5,
    "PLAIN": plain,
    "LOGIN": login_,
}

__all__ = [
    "EXTERNAL",
    "MECHANISMS",
    "PLUS",
    "WAIT",
    "Binding",
    "Channel",
    "Exchange",
    "Login",
    "Mechanism",
    "Message",
]
