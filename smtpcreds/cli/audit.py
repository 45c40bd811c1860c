"""``smtpcreds audit``: what is wrong, and the commands that cure it."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from .framework import Session, Verb, pass_session

if TYPE_CHECKING:
    from ..model import Finding

_LEVELS = ("note", "warning", "error")


@click.command(cls=Verb)
@click.option("--fix", is_flag=True, help="Repair what is safe: modes, owners, ACLs, hash links, old maps.")
@click.option(
    "--fail-on",
    metavar="LEVEL",
    type=click.Choice(_LEVELS),
    default="warning",
    help="Exit 1 from this severity on: note, warning (the default), error.",
)
@click.option(
    "--only", metavar="CODE", multiple=True, help="Look for this code, or family, alone; repeatable."
)
@click.option("--ignore", metavar="CODE", multiple=True, help="Leave this code, or family, out; repeatable.")
@pass_session
def audit(session: Session, fix: bool, fail_on: str, only: tuple[str, ...], ignore: tuple[str, ...]) -> None:
    """Look for whatever exposes a credential or keeps it from working.

    Exits 1 when something is found. What the codes mean: man smtpcreds-audit
    """
    from ..audit.run import audit as look
    from ..audit.run import choice
    from ..audit.run import fix as repair
    from ..model import Severity

    site, wanted = session.site(), choice(only, ignore)
    repaired = session.run(site, lambda work: repair(work, wanted), state=False) if fix else 0
    if repaired is None:
        return
    findings = look(site, wanted)
    session.show(
        {"findings": [_data(finding) for finding in findings], "repaired": repaired},
        _lines(findings, repaired),
    )
    if any(finding.severity.reaches(Severity(fail_on)) for finding in findings):
        raise click.exceptions.Exit(1)


def _data(finding: "Finding") -> dict[str, Any]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "subject": finding.subject,
        "reason": finding.message,
        "cure": finding.cure,
        "repairable": finding.repair is not None,
    }


def _lines(findings: list["Finding"], repaired: int) -> Iterator[str]:
    if repaired:
        yield f"repaired: {repaired}"
    for finding in findings:
        yield f"{finding.code} {finding.severity}  {finding.subject}: {finding.message}"
        yield f"  cure: {finding.cure}"
    tally = Counter(finding.severity.value for finding in findings)
    counted = [_many(tally[level], level) for level in reversed(_LEVELS) if tally[level]]
    yield ", ".join(counted) or "nothing found"


def _many(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)
