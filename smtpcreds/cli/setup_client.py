"""``smtpcreds setup --client``: a client host from a bundle."""

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..errors import UsageError
from .mta.remaining import remaining_lines, remaining_row
from .secrets import bundle_passphrase
from .session import Session

if TYPE_CHECKING:
    from ..setup.client import Client, Ready

STREAM = "-"


def setup_client(
    session: Session,
    source: str,
    host: str | None,
    mta: str | None,
    passphrase: str | None,
    *,
    force: bool,
) -> None:
    """Verify a bundle, put what it holds in place, and tell what is left to do.

    Raises:
        UsageError: the bundle is for another host or program than the one named.
        DataError: it is damaged, or holds what no hub sends.
        WrongPassphraseError: the passphrase does not open it.
    """
    from ..bundle.opening import open_bundle
    from ..mta.port import Role
    from ..mta.programs import program_for
    from ..setup.client import client, set_up_client

    site = session.site()
    program = program_for(mta, Role.CLIENT) if mta else None
    name = "standard input" if source == STREAM else session.absolute(source)
    opened = open_bundle(site, bundle_content(name, source, passphrase), name)
    wanted = client(site, opened, program)
    if host and wanted.site.qualify(host) != opened.label.host:
        raise UsageError(host, f"is not the host of the bundle, which is {opened.label.host}")
    done = session.run(wanted.site, lambda work: set_up_client(work, wanted, force=force), look_first=True)
    if done is not None:
        _show(session, wanted, done)


def bundle_content(name: str, source: str, passphrase: str | None) -> bytes:
    """Return the archive, decrypted if need be.

    Args:
        name: for messages.
        source: absolute path, or ``-`` for standard input.
        passphrase: where it comes from.

    Raises:
        WrongPassphraseError: the passphrase does not open it.
    """
    from ..bundle import sealing

    data = _read(name, source)
    if not sealing.is_sealed(data):
        if passphrase:
            raise UsageError("--passphrase", f"{name} is not encrypted", "leave it out")
        return data
    return sealing.unseal(data, bundle_passphrase(passphrase, new=False)(), name)


def _read(name: str, source: str) -> bytes:
    """Return what is in the file, or comes from standard input."""
    from ..errors import DataError
    from ..files import read_public
    from ..files.guard import MAX_READ

    if source != STREAM:
        return read_public(name)
    data = sys.stdin.buffer.read(MAX_READ + 1)
    if len(data) > MAX_READ:
        raise DataError(name, f"is over {MAX_READ} octets")
    return data


def _show(session: Session, wanted: "Client", done: "Ready") -> None:
    credential = wanted.site.settings.sasl.account
    session.show(
        {
            "host": wanted.opened.label.host,
            "hub": wanted.site.hub,
            "program": wanted.program.NAME,
            "account": credential,
            "changed": done.changed,
            "parts": [{"what": part.what, "path": part.path, "made": part.made} for part in done.parts],
            "files": [{"path": path, "written": written} for path, written in done.applied.files],
            **remaining_row(done.applied.includes, done.applied.commands, done.usage),
        },
        _lines(session, wanted, done),
    )


def _lines(session: Session, wanted: "Client", done: "Ready") -> Iterator[str]:
    from ..config.host import host_name

    state = "ready" if done.changed else "was ready; nothing changed"
    yield f"{wanted.opened.label.host}: {state}"
    rows = [(part.what, part.path, part.made) for part in done.parts]
    rows += [(wanted.program.NAME, path, written) for path, written in done.applied.files]
    width = max(len(what) for what, _, _ in rows)
    for what, path, made in rows:
        yield f"  {what:{width}}  {session.described(path)}{'' if made else '  (was there)'}"
    yield from remaining_lines(done.applied.includes, done.applied.commands, done.usage)
    host, fingerprint = wanted.opened.label.host, wanted.wishes.fingerprint
    here = wanted.site.qualify(host_name(wanted.site.root))
    options = [f" --host {host}"] if host != here else []
    options += [f" --fingerprint {fingerprint}"] if fingerprint else []
    yield f"check with: smtpcreds mta check {wanted.program.NAME}{''.join(options)}"
