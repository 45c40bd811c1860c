"""What administrators use today, each with one run that makes something where something is already."""

import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from kills import CALLS

EASY_RSA = "/usr/share/easy-rsa"
_PATIENCE = 120


class Incumbent(ABC):
    """A program in a directory; ``old`` is there before the run, ``new`` is what the run makes."""

    words: tuple[str, ...]
    stdin = ""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(place), "LC_ALL": "C.UTF-8"}

    @abstractmethod
    def prepare(self) -> None:
        """Make the old thing."""

    @abstractmethod
    def has(self, name: str) -> bool:
        """Tell whether the old or the new thing is there and whole."""

    def call(self, *words: str | Path, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(word) for word in words], input=stdin, cwd=self.place, env=self.env, check=False,
            text=True, errors="replace", capture_output=True, timeout=_PATIENCE,
        )  # fmt: skip

    def run(self, log: str = "", inject: str = "") -> int:
        """Do the run, with a fault in each of its processes that gets to the call."""
        trace = ("strace", "-f", "-qq", "-y", "-o", log, "-e", f"trace={','.join(CALLS)}") if log else ()
        fault = ("-e", f"inject={inject}") if inject else ()
        return self.call(*trace, *fault, *self.words, stdin=self.stdin).returncode


class Saslpasswd2(Incumbent):
    words = ("saslpasswd2", "-p", "-c", "-f", "sasldb2", "-u", "hub", "new")
    stdin = "S3cret.of.new"

    def prepare(self) -> None:
        self.call(*self.words[:-1], "old", stdin="S3cret.of.old")

    def has(self, name: str) -> bool:
        return f"{name}@hub: userPassword" in self.call("sasldblistusers2", "-f", "sasldb2").stdout


def _is_pair(one: Incumbent, key: str, certificate: str, ca: str) -> bool:
    ours = one.call("openssl", "pkey", "-in", key, "-pubout")
    theirs = one.call("openssl", "x509", "-in", certificate, "-noout", "-pubkey")
    verified = one.call("openssl", "verify", "-CAfile", ca, certificate)
    return (ours.returncode, verified.returncode) == (0, 0) and ours.stdout == theirs.stdout


class EasyRsa(Incumbent):
    words = (f"{EASY_RSA}/easyrsa", "build-server-full", "new", "nopass")

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.env |= {"EASYRSA_BATCH": "1", "EASYRSA_PKI": f"{place}/pki", "EASYRSA": EASY_RSA}
        self.env |= {"EASYRSA_ALGO": "ec", "EASYRSA_CURVE": "prime256v1", "EASYRSA_REQ_CN": "CA"}

    def prepare(self) -> None:
        easyrsa = self.words[0]
        self.call(easyrsa, "init-pki")
        self.call(easyrsa, "build-ca", "nopass")
        del self.env["EASYRSA_REQ_CN"]
        self.call(easyrsa, "build-server-full", "old", "nopass")

    def has(self, name: str) -> bool:
        return _is_pair(self, f"pki/private/{name}.key", f"pki/issued/{name}.crt", "pki/ca.crt")


_CA_PL = "perl /usr/lib/ssl/misc/CA.pl"
_SUBJECT = "-subj /C=ES/ST=Polka/O=Polkatistas/CN="
_EC = "-newkey ec -pkeyopt ec_paramgen_curve:P-256"


def _certificate_of(name: str) -> tuple[str, ...]:
    made = f'{_CA_PL} -newreq-nodes -extra-req "{_EC} {_SUBJECT}{name}"'
    return "sh", "-c", f'{made} && printf "y\ny\n" | {_CA_PL} -sign'


class CaPl(Incumbent):
    words = _certificate_of("new")

    def prepare(self) -> None:
        self.call(*_CA_PL.split(), "-newca", "-extra-req", f"{_EC} -nodes {_SUBJECT}CA", stdin="\n")
        self.call(*_certificate_of("old"))
        for kind in ("key", "cert"):
            (self.place / f"new{kind}.pem").rename(self.place / f"old{kind}.pem")

    def has(self, name: str) -> bool:
        return _is_pair(self, f"{name}key.pem", f"{name}cert.pem", "demoCA/cacert.pem")


INCUMBENTS: dict[str, Callable[[Path], Incumbent]] = {
    "saslpasswd2": Saslpasswd2,
    "easy-rsa": EasyRsa,
    "CA.pl": CaPl,
}
