"""Where other CA programs keep their files: told from the names alone, as data.

easy-rsa, OpenSSL's CA.pl and mkcert were looked at while they ran; step, certstrap and minica are known from
their documentation.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from ..errors import AmbiguousError


@dataclass(frozen=True, slots=True)
class Layout:
    """What one program's directory looks like; paths are relative, with ``/``.

    Attributes:
        peer: the program.
        certificate: regular expression for the issuing CA's certificate; its groups fill the templates.
        needs: templates of other files without which it is not this layout.
        key: template of the CA's private key, which may be absent (kept offline).
        issued: regular expression of issued certificates; one certificate may be there under two names.
        keys: regular expression of the private keys of issued certificates.
        parents: templates of CA certificates above the issuing one, nearest first.
        crl, ledger, crl_counter: templates; None where the program has none.
        homes: directories below the given one in which to look, each ending in ``/`` or empty.
    """

    peer: str
    certificate: str
    key: str
    needs: tuple[str, ...] = ()
    issued: str | None = None
    keys: str | None = None
    parents: tuple[str, ...] = ()
    crl: str | None = None
    ledger: str | None = None
    crl_counter: str | None = None
    homes: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True)
class Found:
    """The files of another CA, by their names below the directory that was looked at; None: not there."""

    peer: str
    certificate: str
    key: str | None
    parents: tuple[str, ...]
    issued: tuple[str, ...]
    keys: tuple[str, ...]
    crl: str | None
    ledger: str | None
    crl_counter: str | None


_CA = r"(?P<stem>ca|CA|rootCA|root_?ca)"

LAYOUTS = (
    Layout(
        "easy-rsa",
        certificate=r"ca\.crt",
        needs=("index.txt",),
        key="private/ca.key",
        issued=r"(?:(?:renewed/)?issued|expired)/[^/]+\.crt"
        r"|certs_by_serial/[0-9A-F]+\.pem|(?:revoked|renewed)/certs_by_serial/[0-9A-F]+\.(?:crt|pem)",
        keys=r"private/(?!ca\.key$)[^/]+\.key",
        crl="crl.pem",
        ledger="index.txt",
        homes=("", "pki/"),
    ),
    Layout(
        "OpenSSL CA.pl",
        certificate=r"cacert\.pem",
        needs=("index.txt",),
        key="private/cakey.pem",
        issued=r"newcerts/[0-9A-F]+\.pem",
        crl="crl/crl.pem",
        ledger="index.txt",
        crl_counter="crlnumber",
        homes=("", "demoCA/"),
    ),
    Layout(
        "step",
        certificate=r"certs/intermediate_ca\.crt",
        key="secrets/intermediate_ca_key",
        parents=("certs/root_ca.crt",),
        homes=("", ".step/"),
    ),
    Layout(
        "step",
        certificate=r"intermediate_ca\.crt",
        key="intermediate_ca_key",
        needs=("intermediate_ca_key",),
        parents=("root_ca.crt",),
    ),
    Layout("step", certificate=r"root_ca\.crt", needs=("root_ca_key",), key="root_ca_key"),
    Layout("mkcert", certificate=r"rootCA\.pem", key="rootCA-key.pem"),
    Layout(
        "minica",
        certificate=r"minica\.pem",
        key="minica-key.pem",
        issued=r"[^/]+/cert\.pem",
        keys=r"[^/]+/key\.pem",
    ),
    Layout(
        "certstrap",
        certificate=r"(?P<stem>[^/]+)\.crt",
        needs=("{stem}.crl",),
        key="{stem}.key",
        issued=r"[^/]+\.crt",
        keys=r"[^/]+\.key",
        crl="{stem}.crl",
        homes=("", "out/"),
    ),
    Layout(
        "key and certificate", certificate=_CA + r"\.(?:crt|pem|cer)", needs=("{stem}.key",), key="{stem}.key"
    ),
    Layout(
        "key and certificate", certificate=_CA + r"\.pem", needs=("{stem}-key.pem",), key="{stem}-key.pem"
    ),
    Layout(
        "key and certificate",
        certificate=r"(?P<stem>(?:[^/]*[^a-z])?(?:ca)?-?)cert\.pem",
        needs=("{stem}key.pem",),
        key="{stem}key.pem",
    ),
    Layout(
        "key and certificate",
        certificate=r"(?P<stem>[^/]+)\.(?:crt|pem|cer)",
        needs=("{stem}.key",),
        key="{stem}.key",
    ),
    Layout(
        "key and certificate",
        certificate=r"(?P<stem>[^/]+)\.pem",
        needs=("{stem}-key.pem",),
        key="{stem}-key.pem",
    ),
)


def recognise(names: Collection[str], subject: str) -> Found | None:
    """Return the CA whose files these are, or None.

    Args:
        names: paths of all files below the directory, relative to it, with ``/``.
        subject: the directory's name, for messages.

    Raises:
        AmbiguousError: several certificates could be the CA's.
    """
    present = frozenset(names)
    for layout in LAYOUTS:
        for home in layout.homes:
            candidates = list(_candidates(layout, home, present))
            if len(candidates) > 1:
                listed = ", ".join(found.certificate for found in candidates)
                raise AmbiguousError(
                    subject, f"holds several that could be the CA: {listed}", "name the files"
                )
            if candidates:
                return candidates[0]
    return None


def _candidates(layout: Layout, home: str, present: frozenset[str]) -> Iterator[Found]:
    for name in sorted(_within(home, present)):
        match = re.fullmatch(layout.certificate, name)
        if match and all(home + need.format(**match.groupdict()) in present for need in layout.needs):
            yield _found(layout, home, name, match.groupdict(), present)


def _found(
    layout: Layout, home: str, certificate: str, groups: dict[str, str], present: frozenset[str]
) -> Found:
    def one(template: str | None) -> str | None:
        path = home + template.format(**groups) if template else None
        return path if path in present else None

    def many(pattern: str | None, but: str | None) -> tuple[str, ...]:
        fitting = (home + n for n in _within(home, present) if pattern and re.fullmatch(pattern, n))
        return tuple(sorted(path for path in fitting if path != but))

    key, parents = one(layout.key), tuple(filter(None, map(one, layout.parents)))
    return Found(
        layout.peer,
        home + certificate,
        key,
        parents,
        many(layout.issued, home + certificate),
        many(layout.keys, key),
        one(layout.crl),
        one(layout.ledger),
        one(layout.crl_counter),
    )


def _within(home: str, present: frozenset[str]) -> Iterator[str]:
    return (name.removeprefix(home) for name in present if name.startswith(home))
