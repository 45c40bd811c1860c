"""``smtpcreds status``: how everything stands."""

import os
import sys
from typing import TYPE_CHECKING

from ..config_values import MAX_DAYS
from ..errors import UsageError
from . import lazy_click as click
from .session import Session, pass_session

if TYPE_CHECKING:
    from ..status.gather import Status

NO = 1
"""Exit status when something is due."""

TEXT, PROMETHEUS, NAGIOS, HTML = "text", "prometheus", "nagios", "html"
SHOWN = {TEXT: 20, PROMETHEUS: 1000, NAGIOS: 1000, HTML: 40}
"""Certificates by form, unless told otherwise."""


@click.command()
@click.option("--format", "form", type=click.Choice(tuple(SHOWN)), default=TEXT, help="Form of the answer.")
@click.option("--limit", type=click.IntRange(1, 1000), metavar="N", help="Show N certificates at most.")
@click.option("--warning", type=click.IntRange(0, MAX_DAYS), metavar="DAYS", help="For nagios; default: 21.")
@click.option("--critical", type=click.IntRange(0, MAX_DAYS), metavar="DAYS", help="For nagios; default: 7.")
@click.option("--output", metavar="FILE", help="Write FILE, mode 0644; for prometheus and html.")
@click.option("--force", is_flag=True, help="Replace a FILE that something else wrote.")
@pass_session
def status(
    session: Session,
    form: str,
    limit: int | None,
    warning: int | None,
    critical: int | None,
    output: str | None,
    force: bool,
) -> None:
    """Show the state of everything: CA, CRL, certificates by days left, accounts, what is in progress or due.

    The exit status is 1 if something is due. With --format nagios it is that of a Nagios plugin; with
    prometheus and html it is 0, because the document says it.
    """
    _verify_words(
        (session.as_json and form != TEXT, "--json", f"contradicts --format {form}"),
        (output and form not in (PROMETHEUS, HTML), "--output", "goes with --format prometheus or html"),
        (force and not output, "--force", "goes with --output"),
        (form != NAGIOS and (warning, critical) != (None, None), "--warning, --critical", "are for nagios"),
    )
    shown = SHOWN[form] if limit is None else limit
    if form == NAGIOS:
        _check(session, warning, critical)
    elif form == TEXT:
        _screen(session, shown)
    else:
        _publish(session, form, shown, output, force=force)


def _verify_words(*rules: tuple[object, str, str]) -> None:
    for is_broken, subject, reason in rules:
        if is_broken:
            raise UsageError(subject, reason, "smtpcreds status --help")


def _screen(session: Session, shown: int) -> None:
    from ..status.gather import gather
    from ..status.text import document, render

    found = gather(session.site())
    colour = _is_colourful()
    lines = render(found, width=_columns(), colour=colour, limit=shown)
    session.show(document(found, limit=shown), lines, coloured=colour, listed=True)
    if found.due:
        raise SystemExit(NO)


def _publish(session: Session, form: str, shown: int, output: str | None, *, force: bool) -> None:
    from ..status.gather import gather
    from ..status.monitoring import write_page

    site = session.site()
    found = gather(site)
    lines = _document(found, form, shown)
    if output is None:
        session.show({}, lines, verbatim=True)
        return
    path = session.absolute(output)
    end = {PROMETHEUS: ".prom", HTML: ""}[form]
    if session.run(site, lambda _: write_page(path, lines, end, force=force), state=False) is not None:
        session.show({}, [session.described(path)])


def _document(found: "Status", form: str, shown: int) -> list[str]:
    if form == HTML:
        from ..status.html import render

        return render(found, limit=shown)
    from ..status.monitoring import render_prometheus

    return render_prometheus(found, limit=shown)


def _check(session: Session, warning: int | None, critical: int | None) -> None:
    from ..errors import SmtpcredsError
    from ..status.gather import gather
    from ..status.monitoring import CRITICAL_DAYS, WARNING_DAYS, Grade, Thresholds, render_nagios, unknown

    wanted = Thresholds(
        WARNING_DAYS if warning is None else warning, CRITICAL_DAYS if critical is None else critical
    )
    try:
        grade, line = render_nagios(gather(session.site()), wanted)
    except SmtpcredsError as error:
        grade, line = Grade.UNKNOWN, unknown(str(error))
    session.show({}, [line])
    raise SystemExit(grade)


def _columns() -> int:
    from shutil import get_terminal_size

    return get_terminal_size((80, 24)).columns


def _is_colourful() -> bool:
    """Tell whether to colour: on a terminal that can, and not against the will (https://no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
