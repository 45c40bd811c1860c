"""``smtpcreds audit``: what is wrong, and the commands that cure it."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from . import lazy_click as click
from .session import Session, Whole, pass_session

if TYPE_CHECKING:
    from ..model import Finding

_LEVELS = ("note", "warning", "error")


@click.command()
@click.option("--fix", is_flag=True, help="Repair what is safe: modes, owners, ACLs, hash links, old maps.")
@click.option(
    "--fail-on",
    metavar="LEVEL",
    type=click.Choice(_LEVELS),
    default="warning",
    help="Exit 1 from this severity on: note, warning (the default), error.",
)
@click.option("--only", metavar="CODE", multiple=True, help="Check only this code or family; repeatable.")
@click.option("--ignore", metavar="CODE", multiple=True, help="Skip this code or family; repeatable.")
@pass_session
def audit(session: Session, fix: bool, fail_on: str, only: tuple[str, ...], ignore: tuple[str, ...]) -> None:
    """Look for whatever exposes a credential or keeps it from working.

    Exits 1 when something is found. What the codes mean: man smtpcreds-audit
    """
    from ..audit.host import Host
    from ..audit.run import choice, look
    from ..audit.run import fix as repair
    from ..model import Severity

    site, wanted = session.site(), choice(only, ignore)
    repaired = session.run(site, lambda work: repair(work, wanted), state=False) if fix else 0
    if repaired is None:
        return
    host = Host(site)
    findings = [finding for finding in look(host) if wanted.takes(finding)]
    absent = host.absent
    session.show(
        {
            "findings": [finding_row(finding) for finding in findings],
            "repaired": repaired,
            "not_there": absent,
        },
        _lines(findings, repaired, absent),
        listed=True,
    )
    if any(finding.severity.reaches(Severity(fail_on)) for finding in findings):
        raise SystemExit(1)


def finding_row(finding: "Finding") -> dict[str, Any]:
    """Return what JSON tells of a finding."""
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "subject": finding.subject,
        "reason": finding.message,
        "cure": finding.cure,
        "repairable": finding.repair is not None,
    }


def _lines(findings: list["Finding"], repaired: int, absent: list[str]) -> Iterator[str]:
    if repaired:
        yield f"repaired: {repaired}"
    yield from finding_lines(findings)
    tally = Counter(finding.severity.value for finding in findings)
    counted = [_many(tally[level], level) for level in reversed(_LEVELS) if tally[level]]
    yield ", ".join(counted) or "nothing found"
    if absent:
        yield f"not present, so not checked: {', '.join(absent)}"


def finding_lines(findings: "list[Finding]") -> Iterator[str]:
    """Yield what a person is told of findings."""
    for finding in findings:
        yield f"{finding.code} {finding.severity}  {finding.subject}: {finding.message}"
        yield Whole(f"  cure: {finding.cure}")


def _many(number: int, what: str) -> str:
    return f"{number} {what}" + "s" * (number != 1)
