"""``smtpcreds cert revoke``."""

import click

from ..crl import crl_lines, crl_row
from ..lazy import Verb
from ..reload import RELOAD, reload_hook, reload_option
from ..secrets import ca_passphrase, passphrase_option
from ..session import Session, pass_session


@click.command(cls=Verb)
@click.argument("which")
@click.option("--reason", metavar="REASON", default="unspecified", help="As in RFC 5280: keyCompromise, ...")
@click.option("--all", "every", is_flag=True, help="All of the host's, where WHICH fits more than one.")
@reload_option
@passphrase_option
@pass_session
def revoke(
    session: Session, which: str, reason: str, every: bool, reload: str | None, passphrase: str | None
) -> None:
    """Revoke the certificate WHICH, and sign a CRL that says so.

    WHICH is a host name, or the beginning of a serial number or of a fingerprint.
    """
    from ...authority.revoke import Wish
    from ...authority.revoke import revoke as carry_out
    from ...pki.revocation import parse_reason

    wish = Wish(which, parse_reason(reason), every)
    hook = reload_hook(reload)
    site = session.site()
    done = session.run(site, lambda work: carry_out(work, wish, hook=hook), ca_passphrase(passphrase, site))
    if done is None:
        return
    hosts = list(dict.fromkeys(row.host for row in done.certificates))
    for pair in done.in_place:
        site.warn(f"{pair.certificate}: is revoked and still in place; next: smtpcreds cert issue {hosts[0]}")
    session.show(
        {
            "revoked": [
                {"host": r.host, "serial": r.serial, "fingerprint": r.fingerprint, "not_after": r.not_after}
                for r in done.certificates
            ],
            "reason": wish.reason.value,
            "crls": [crl_row(crl) for crl in done.crls],
            "in_place": [pair.certificate for pair in done.in_place],
            "reloaded": hook is not None,
        },
        [
            *(f"{row.host}: revoked {row.serial} ({wish.reason.value})" for row in done.certificates),
            *(line for crl in done.crls for line in crl_lines(crl)),
            *([] if hook else [RELOAD]),
        ],
    )
