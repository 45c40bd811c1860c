"""A trial certificate of an authority that comes from elsewhere, and what verifiers say of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from subprocess import PIPE, TimeoutExpired

from ..children import run
from ..errors import SmtpcredsError
from ..files import trusted_program
from ..pki.chains import verify_chain
from ..pki.encoding import encode_certificates
from ..pki.issue import new_serial, sign
from ..pki.keys import generate, parse_key_type
from ..pki.names import permitted_domains
from ..pki.profiles import RELAY, Purpose
from ..pki.values import Certificate, Issuer, Request, validity

_PATIENCE = 30
"""Seconds."""
_DAY = timedelta(days=1)


def trial_faults(issuer: Issuer, now: datetime) -> dict[Purpose, str]:
    """Return why a certificate that the authority signs would be refused, by role; empty where it is good.

    Our own verifier is asked, and the host's OpenSSL where it has one.
    """
    host = f"trial.{_domain(issuer)}"
    request = Request(host, generate(parse_key_type("p256")).public_key())
    try:
        leaf = sign(request, RELAY, issuer, new_serial(), validity(now, _DAY, issuer))
    except SmtpcredsError as error:
        return dict.fromkeys(Purpose, error.reason)
    asked = ((purpose, ask(leaf, issuer, now, purpose)) for purpose in Purpose for ask in (_openssl, _ours))
    return {purpose: fault for purpose, fault in asked if fault}


def _domain(issuer: Issuer) -> str:
    found = (domain.lstrip(".") for ca in issuer.path for domain in permitted_domains(ca))
    return next(filter(None, found), "invalid")


def _ours(leaf: Certificate, issuer: Issuer, now: datetime, purpose: Purpose) -> str:
    try:
        verify_chain(leaf, issuer.path, issuer.path[-1:], now, (purpose,))
    except SmtpcredsError as error:
        return error.reason
    return ""


def _openssl(leaf: Certificate, issuer: Issuer, now: datetime, purpose: Purpose) -> str:
    """Ask ``openssl verify``; a host without it, or where it does not answer, has no objection."""
    program = trusted_program("openssl")
    between, root = encode_certificates(issuer.path[:-1]), encode_certificates(issuer.path[-1:])
    with _piped(root) as trusted, _piped(between) as untrusted:
        words = ["openssl", "verify", "-purpose", f"ssl{purpose.value}", "-attime", str(int(now.timestamp()))]
        words += ["-CAfile", f"/dev/fd/{trusted}", "-no-CApath", "-no-CAstore"]
        words += ["-untrusted", f"/dev/fd/{untrusted}"] if between else []
        try:
            done = run(
                words,
                executable=program,
                given=encode_certificates([leaf]),
                timeout=_PATIENCE,
                stdout=PIPE,
                stderr=PIPE,
                pass_fds=(trusted, untrusted),
            )
        except (OSError, TimeoutExpired):
            return ""
    return f"OpenSSL says: {_reason(done.stderr.decode(errors='replace'))}" if done.returncode else ""


def _reason(said: str) -> str:
    """Return what follows ``error N at D depth lookup:``."""
    found = (line.rpartition("lookup:")[2].strip() for line in said.splitlines() if "lookup:" in line)
    return next(found, said.strip().replace("\n", "; ")[:200])


@contextmanager
def _piped(content: bytes) -> Iterator[int]:
    """Give a descriptor from which a text can be read once that is shorter than a pipe is long (64 KiB)."""
    reader, writer = os.pipe()
    try:
        os.write(writer, content)
        os.close(writer)
        yield reader
    finally:
        os.close(reader)
