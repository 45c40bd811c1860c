"""``smtpcreds cert export``."""

import sys

import click

from ...errors import UsageError
from ..lazy import Verb
from ..secrets import export_password
from ..session import Session, pass_session

_FORMATS = ("pem", "p12", "p12-compat", "der")


@click.command(cls=Verb)
@click.argument("which")
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="pem", help="Default: pem.", show_choices=True
)
@click.option("--with-key", is_flag=True, help="Also the private key; p12 always has it.")
@click.option("--password", metavar="SOURCE", help="Protects the key; p12 asks for one on a terminal.")
@click.option("--to", "target", metavar="FILE", help="Write FILE with mode 0600; default: standard output.")
@click.option("--force", is_flag=True, help="Replace FILE.")
@pass_session
def export(
    session: Session,
    which: str,
    form: str,
    with_key: bool,
    password: str | None,
    target: str | None,
    force: bool,
) -> None:
    """Write the certificate WHICH, named as for cert show, in another form.

    pem has the certificate and those between it and the root, der the certificate alone. p12 is PKCS #12 with
    the key and everything above, p12-compat the same in the weak encryption that old programs need.
    """
    from ...authority.exporting import FORMS
    from ...authority.exporting import export as exported
    from ...authority.lookup import find
    from ...pki.dn import title

    site, chosen = session.site(), FORMS[form]
    secret = with_key or bool(chosen.has_key)
    path = session.absolute(target) if target else None
    ask = export_password(password, needed=chosen.locked, useful=secret)
    if path is None:
        _verify_output(session, secret=secret, text=chosen.is_text)
    found = find(site, which, session.absolute(which))
    content = session.run(
        site,
        lambda work: exported(work, found, chosen, ask, with_key=with_key, target=path, force=force),
        state=False,
    )
    if content is not None:
        _show(session, title(found.certificate), form, content, path, secret=secret)


def _verify_output(session: Session, *, secret: bool, text: bool) -> None:
    if session.as_json and not text and not secret:
        raise UsageError("--json", "DER is not printed as JSON", "--to FILE")
    if not text and not session.dry_run and sys.stdout.isatty():
        raise UsageError("standard output", "is a terminal, and this form is no text", "--to FILE")
    if secret:
        session.reveal(b"")


def _show(session: Session, name: str, form: str, content: bytes, path: str | None, *, secret: bool) -> None:
    if path:
        data = {"certificate": name, "format": form, "with_key": secret, "file": path}
        what = f"{form}{' with the key' if secret else ''}"
        session.show(data, [f"{name}: {what}", f"  {session.described(path)}"])
    elif secret:
        session.reveal(content)
    elif session.as_json:
        session.show({"certificate": name, "format": form, "pem": content.decode("ascii")}, ())
    else:
        click.echo(content, nl=False)
