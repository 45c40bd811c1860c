"""Every code is found where something is broken so, nothing else is; its cure and ``--fix`` end it."""

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from types import FunctionType

import pytest
from admin import peer
from cures import astray, bare, twice, unknown

from smtpcreds import audit
from smtpcreds.audit.finding import Code
from smtpcreds.audit.host import Host as AuditedHost
from smtpcreds.audit.run import CHECKS, CODES
from smtpcreds.model import Finding, Severity

from . import broken_accounts, broken_files, broken_sendmail, shell
from .breaking import Breaker
from .breaks import BREAKS, Break, daemon
from .by_hand import BY_HAND, ELSEWHERE, FIRST_STEPS
from .conftest import Made
from .scene import Host

REPAIRED = {
    *("PERM001", "PERM002", "PERM004", "PERM005", "PERM009", "PERM010", "PERM011", "PERM012", "PERM013"),
    *("PERM014", "PERM017", "PERM018", "PERM020", "CERT019", "CERT020", "SASL005", "SASL012", "SASL017"),
    "MTA007",
}
ROWS = [pytest.param(row, id=f"{row.code}-{row.do.__name__}") for row in BREAKS]


@pytest.mark.parametrize("row", ROWS)
def test_what_is_broken_is_found_and_its_cure_ends_it(scene: Made, row: Break) -> None:
    host = scene(row.scene)
    row.do(host)
    found = host.findings()
    assert {f.code for f in found} == {row.code} | row.also, "\n".join(map(str, found))
    assert all(f.cure and f.subject and not f.message.endswith(".") for f in found)
    assert [fault for f in found for fault in unknown(f.cure)] == []
    assert [f.cure for f in found if [*bare(f.cure)] or [*twice(f.cure)]] == []
    assert [part for f in found for part in astray(shell.completed(host, f), str(host.root))] == [], (
        "the running host"
    )
    repairable = [f for f in found if f.repair]
    assert any(f.code == row.code for f in repairable) == (row.code in REPAIRED)
    if repairable:
        copy = copied(host)
        assert copy.fix(row.code) >= (row.code in REPAIRED)
        assert row.code not in REPAIRED & copy.codes()
    typed(host, row, found)


def typed(host: Host, row: Break, found: list[Finding]) -> None:
    """Type the cures of the code: the finding is gone, and nothing else came in its place."""
    printed = dict.fromkeys(shell.printed(host, finding) for finding in found if finding.code == row.code)
    commands = [shell.command(cure) for cure in printed]
    name = row.do.__name__
    assert all(commands) == (name not in BY_HAND), f"a cure is a command, or has its reason: {[*printed]}"
    if name in BY_HAND:
        return
    for line in commands:
        shell.type_line(host, line)
    after = host.findings()
    came = {f.code for f in after if f.severity is not Severity.NOTE} - {f.code for f in found}
    assert came == set(), "\n".join(map(str, after))
    assert any(f.code == row.code for f in after) == (name in FIRST_STEPS), "\n".join(map(str, after))


@pytest.mark.parametrize(
    "breaker", [broken_files.linked_key, broken_accounts.exim_looks_accounts_up_elsewhere]
)
def test_a_cure_that_is_typed_with_the_tools_of_busybox(
    scene: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaker: Breaker
) -> None:
    """Its cp --remove-destination empties what the link leads to, and its sed ignores no case."""
    tools = tmp_path / "tools"
    tools.mkdir()
    peer("busybox", "--install", "-s", tools)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    row = next(row for row in BREAKS if row.do is breaker)
    host = scene(row.scene)
    row.do(host)
    typed(host, row, host.findings())


def copied(host: Host) -> Host:
    """Return another host that is as this one is now."""
    root = host.root.parent / "copy" / host.root.name
    return Host(host.program().copy(root).root, host.ahead)


def test_every_check_is_made() -> None:
    """One that no table names would find nothing on any host."""
    rooms = [import_module(f"{audit.__name__}.{module.name}") for module in iter_modules(audit.__path__)]
    checks = {
        check
        for room in rooms
        for name, check in vars(room).items()
        if isinstance(check, FunctionType) and check.__module__ == room.__name__ and not name.startswith("_")
        if check.__annotations__ == {"host": AuditedHost, "return": Iterator[Finding]}
    }
    assert len(checks) > 100
    assert checks - {*CHECKS} == set()
    codes = {code.name for room in rooms for code in vars(room).values() if isinstance(code, Code)}
    assert codes == set(CODES)


def test_every_code_has_a_row() -> None:
    """So no code is without its cure being typed, or the reason why it can't be."""
    assert {row.code for row in BREAKS} | {*ELSEWHERE} == set(CODES)
    assert {*BY_HAND, *FIRST_STEPS} <= {row.do.__name__ for row in BREAKS}


def test_settings_that_are_not_included_have_no_cure_that_leaves_them_out(scene: Made) -> None:
    host = scene("hub")
    broken_sendmail.fragment_not_included(host)
    found = host.findings("MTA017")
    assert len(found) > 1
    assert [f.cure for f in found if "--edit --run" not in f.cure] == []
    said = host.program().run("mta", "check", "sendmail-hub").out
    assert "has no O CACertFile=" in said
    assert "mta apply sendmail-hub --run" not in said


def test_a_daemon_that_started_before_the_certificate_changed(scene: Made) -> None:
    host = scene("hub")
    running = daemon(host)
    try:
        assert "MTA010" not in host.codes()
        certificate, pid_file = host.cert("dmzmail-cert.pem"), host.path("/run/sendmail/mta/sendmail.pid")
        later = pid_file.stat().st_mtime + 60
        os.utime(certificate, (later, later))
        assert [f.subject for f in host.findings("MTA010")] == [str(certificate)]
        os.utime(pid_file, (later + 1, later + 1))
        assert host.codes() == set(), "a daemon that ran itself again after SIGHUP writes its pid file anew"
    finally:
        running.communicate()
    os.utime(certificate, (later + 60, later + 60))
    assert host.codes() == set(), "nobody runs"
