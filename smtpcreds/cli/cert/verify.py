"""``smtpcreds cert verify``."""

import click

from ..lazy import Verb
from ..session import Session, pass_session


@click.command(cls=Verb)
@click.argument("which", metavar="HOST|FILE")
@click.option("--host", metavar="NAME", help="The name that FILE must be for.")
@click.option("--server", "profile", flag_value="server", help="It must serve in the server role.")
@click.option("--client", "profile", flag_value="client", help="It must serve in the client role.")
@pass_session
def verify(session: Session, which: str, host: str | None, profile: str | None) -> None:
    """Check that the pair of HOST, or the certificate in FILE, works.

    Key, dates, names, roles, chain to cacert.pem, hash links, revocation and CRL, and who else could read or
    change the files. The exit status is 1 if anything is wrong.
    """
    from ...authority.verification import subject
    from ...authority.verification import verify as checks_of

    asked = subject(session.site(), which, session.absolute(which), host=host, profile=profile)
    checks = checks_of(asked)
    ok = all(check.ok for check in checks)
    width = max(len(check.name) for check in checks)
    session.show(
        {
            "host": asked.host,
            "file": asked.found.path,
            "ok": ok,
            "checks": [{"check": c.name, "ok": c.ok, "detail": c.detail} for c in checks],
        },
        [f"{'ok ' if check.ok else 'BAD'}  {check.name:{width}}  {check.detail}" for check in checks],
    )
    if not ok:
        raise click.exceptions.Exit(1)
