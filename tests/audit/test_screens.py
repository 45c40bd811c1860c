"""No screen calls well what the audit calls an error; the table of all codes against all screens."""

import pytest

from smtpcreds.model import Severity
from smtpcreds.status.gather import Kind, gather
from smtpcreds.status.monitoring import Grade, Thresholds, render_nagios, render_prometheus

from .breaks import (
    BREAKS,
    Break,
    authority_that_is_gone,
    clock_behind,
    damaged_database,
    empty_database,
    readable_state,
)
from .conftest import Made
from .scene import Host

REMOTE = "CERT026"
"""Asks a web server, which only the audit does."""
ROWS = [pytest.param(row, id=f"{row.code}-{row.do.__name__}") for row in BREAKS if row.code != REMOTE]
OF_CERTIFICATES = [
    pytest.param(row, id=f"{row.code}-{row.do.__name__}")
    for row in BREAKS
    if row.code.startswith("CERT") and row.code != REMOTE
]
REFUSED = {
    authority_that_is_gone: "the authority that the inventory knows is gone",
    clock_behind: "the clock of this host says",
}
"""Where nothing can be renewed at all, and that is said."""
UNREADABLE = {readable_state, damaged_database, empty_database}
"""Of these status says nothing but that it can't read a key or database."""


def errors(host: Host) -> set[str]:
    return {found.code for found in host.findings() if found.severity is Severity.ERROR}


@pytest.mark.parametrize("row", ROWS)
def test_status_in_every_form_is_not_well_where_the_audit_finds_an_error(scene: Made, row: Break) -> None:
    host = scene(row.scene)
    row.do(host)
    found = errors(host)
    if row.do in UNREADABLE:
        program = host.program()
        assert program.run("status").status in {65, 77}
        assert program.run("status", "--format", "nagios").status == Grade.UNKNOWN
        return
    status = gather(host.site())
    said = " ".join(item.message for item in status.due if item.code == Kind.AUDIT)
    grade, line = render_nagios(status, Thresholds())
    counted = [line for line in render_prometheus(status, limit=9) if line.startswith("smtpcreds_due{")]
    if found:
        assert status.is_broken
        assert grade is Grade.CRITICAL, line
        assert any(not line.endswith(" 0") for line in counted)
    for code in found - {"CERT004", "CERT014", "CERT025"}:  # which status says by itself
        assert f"({code})" in said
    if not found and row.code not in {"AUDIT001", "CERT005", "CERT015"}:
        assert (status.due, grade) == ((), Grade.OK)


@pytest.mark.parametrize("row", OF_CERTIFICATES)
def test_what_cert_renew_can_not_end_it_says(scene: Made, row: Break) -> None:
    host = scene(row.scene)
    row.do(host)
    program = host.program().at(f"{host.ahead.days:+d} days") if host.ahead else host.program()
    ran = program.run("cert", "renew", "--due")
    left = {code for code in errors(host) if code.startswith("CERT")}
    assert (ran.status != 0) == bool(left), (left, ran)
    if row.do in REFUSED:
        assert REFUSED[row.do] in ran.problem
    else:
        assert ran.status in {0, 1}
        assert all(code in ran.out for code in left)


@pytest.mark.parametrize("name", ["hub", "client", "postfix"])
def test_a_clean_host_is_well_on_every_screen(scene: Made, name: str) -> None:
    host = scene(name)
    status = gather(host.site())
    assert (status.due, render_nagios(status, Thresholds())[0]) == ((), Grade.OK)
    assert host.program()("cert", "renew", "--due").out == "nothing is due\n"
