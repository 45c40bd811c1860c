"""One page that needs nothing else, with its time line: no script, no font, no picture from elsewhere."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from html import escape

from ..errors import number_of, shown
from ..model import Finding
from .gather import Authority, Certificate, Change, Kind, Relaying, Status
from .text import heading, left, without_authority
from .timeline import SOON, ends_soon, timeline, tone_of

# How the page looks, by day and by night.

STYLE = """
:root { color-scheme: light dark;
  --ground: #f6f7f9; --card: #ffffff; --ink: #1b2430; --faint: #66717f; --line: #e2e6eb; --stripe: #f3f5f8;
  --good: #2f8f6b; --due: #c98a0c; --bad: #c9392f; --now: #3866c4;
  --good-text: #1d6f50; --due-text: #855600; --bad-text: #b02a21; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #12161c; --card: #1a2028; --ink: #e3e8ee; --faint: #93a0ae; --line: #2b333e; --stripe: #202732;
  --good: #4cb78d; --due: #e0a93b; --bad: #ee6a5f; --now: #7ba2f2;
  --good-text: #4cb78d; --due-text: #e0a93b; --bad-text: #f0867d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1020px; margin: 0 auto; padding: 28px 20px 40px; }
header { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: center; margin-bottom: 20px; }
h1 { font-size: 22px; font-weight: 650; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 13px; font-weight: 650; margin: 0 0 10px; color: var(--faint); letter-spacing: .02em; }
time { color: var(--faint); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px 20px; margin-bottom: 16px; }
.pill { margin-left: auto; padding: 3px 14px; border-radius: 99px; font-weight: 600; color: var(--card); }
.pill { background: var(--said); }
ul { list-style: none; margin: 0; padding: 0; }
li { padding: 8px 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
li:first-child { border-top: 0; padding-top: 0; } li:last-child { padding-bottom: 0; }
code { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; background: var(--stripe);
  padding: 1px 6px; border-radius: 5px; }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-size: 13px; font-weight: 500; color: var(--faint); white-space: nowrap; }
th, td { padding: 6px 16px 6px 0; border-top: 1px solid var(--line); vertical-align: top; }
td { overflow-wrap: anywhere; } thead th { border-top: 0; }
p { margin: 10px 0 0; color: var(--faint); overflow-wrap: anywhere; } .faint { color: var(--faint); }
.good { --tone: var(--good); --said: var(--good-text); } .due { --tone: var(--due); --said: var(--due-text); }
.bad { --tone: var(--bad); --said: var(--bad-text); }
.toned { color: var(--said); font-weight: 600; white-space: nowrap; } code, .whole { white-space: nowrap; }
li code { white-space: normal; }
.bars li, .scale { display: grid; grid-template-columns: minmax(0, 240px) 1fr 124px; gap: 0 16px;
  align-items: center; border: 0; padding: 5px 0; }
.bars li:hover { background: var(--stripe); } .bars .name { text-align: right; }
.track, .scale span { position: relative; height: 14px; } .track { background: var(--stripe); }
.track i { position: absolute; top: 0; bottom: 0; } .life { background: var(--tone); }
.late { background: var(--tone); opacity: .38; } .now { border-left: 2px dashed var(--now); }
.scale span { grid-column: 2; } .scale i { position: absolute; transform: translateX(-50%);
  font-style: normal; font-size: 11.5px; line-height: 14px; color: var(--faint); white-space: nowrap; }
.scale .today { color: var(--now); font-weight: 650; }
@media (max-width: 640px) {
  main { padding: 16px 10px 24px; } section { padding: 12px 14px; } .pill { margin-left: 0; }
  .bars li { grid-template-columns: minmax(0, 1fr) auto; } .bars .name { text-align: left; }
  .bars .track { grid-column: 1 / 3; grid-row: 2; }
  .scale, .scale span { display: block; } .scale .sparse { display: none; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table, tbody, tr, td { display: block; }
  tr { padding: 8px 0; border-top: 1px solid var(--line); } tbody tr:first-child { border-top: 0; }
  td { display: grid; grid-template-columns: 96px minmax(0, 1fr); gap: 0 10px; padding: 2px 0; border: 0; }
  td::before { content: attr(data-label); color: var(--faint); font-size: 13px; } }
@media print { body { background: none; } section { break-inside: avoid; } }
"""


# One page that needs nothing else: no script, no font, no picture from elsewhere.

MARK = "<!DOCTYPE html><!-- smtpcreds status -->"
"""First line of the file, by which it is known as ours."""
ACCOUNTS = 100

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def render(status: Status, *, limit: int) -> list[str]:
    """Return the lines of the page, with the ``limit`` certificates that end next."""
    parts = (
        _head(status),
        _section("Due", _due(status.due)),
        _section("What ends when", _ends(status, limit)),
        _section("Authorities", _authorities(status)),
        _section("Half-way", _changes(status.changes)),
        _section("Certificates", _certificates(status, limit)),
        _section("Who may relay", _relaying(status, ACCOUNTS)),
        _section("Client hosts", _clients(status, limit)),
        ["</main></body></html>"],
    )
    return [line for part in parts for line in part]


def _head(status: Status) -> Iterator[str]:
    tone, said = _verdict(status)
    at = f"{status.at:%Y-%m-%d %H:%M} UTC"
    yield MARK
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{_safe(heading(status))}: {said}</title>"
    yield f"<style>{STYLE}</style></head><body><main>"
    yield f"<header><h1>{_safe(heading(status))}</h1><time>{at}</time>"
    yield f'<span class="pill {tone}">{said}</span></header>'
    if not status.authorities:
        yield f"<section>{_safe(without_authority(status))}</section>"


def _verdict(status: Status) -> tuple[str, str]:
    ends = [row.not_after for row in status.certificates] + [ca.not_after for ca in status.authorities]
    ends += [ca.crl.next_update for ca in status.authorities if ca.crl and ca.crl.next_update]
    over, due = sum(status.has_ended(end) for end in ends), sum(item.count for item in status.due)
    if over:
        return "bad", f"{over} expired"
    if status.is_empty:
        return "due", "nothing was found"
    tone = "bad" if status.is_broken else "due"
    if due:
        return tone, f"{due} due"
    soon = sum(ends_soon(status, end) for end in ends)
    return (
        ("due", f"{soon} end{'s' * (soon == 1)} within {SOON.days} days")
        if soon
        else ("good", "nothing is due")
    )


def _section(title: str, content: Iterable[str]) -> Iterator[str]:
    lines = list(content)
    if lines:
        yield f"<section><h2>{title}</h2>"
        yield from lines
        yield "</section>"


def _due(items: Iterable[Finding]) -> list[str]:
    rows = [
        f"<li><strong>{_safe(item.subject)}</strong>: {_safe(item.message)}<br>"
        f"<code>{_safe(item.cure)}</code></li>"
        for item in items
    ]
    return ["<ul>", *rows, "</ul>"] if rows else []


def _ends(status: Status, limit: int) -> Iterator[str]:
    if status.authorities or status.certificates:
        yield from timeline(status, limit=limit)
        yield "<p>Pale part of a bar: time to renew.</p>"


def _authorities(status: Status) -> list[str]:
    if not status.authorities:
        return []
    head = ("name", "SHA-256", "valid to", "certificates", "CRL valid to")
    return _table(head, (_authority(status, ca) for ca in status.authorities))


def _authority(status: Status, ca: Authority) -> Iterator[str]:
    late, crl = status.is_due(Kind.AUTHORITY, ca.name), ca.crl
    standing = "signs" if ca.signs else "replaced"
    yield f'{_safe(ca.name)} <span class="faint">{standing}</span>'
    yield _number(ca.fingerprint)
    yield _until(status, ca.not_after, late=late)
    yield ", ".join(f"{number} {_safe(name)}" for name, number in sorted(ca.counts.items())) or "none"
    late = status.is_due(Kind.CRL, ca.name)
    yield _until(status, crl.next_update, late=late) if crl and crl.next_update else "none"


def _certificates(status: Status, limit: int) -> list[str]:
    rows = status.certificates[:limit]
    if not rows:
        return []
    more = status.has_more or len(rows) < len(status.certificates)
    note = ["<p>And more that end later: <code>smtpcreds cert list</code></p>"] if more else []
    return [
        *_table(("host", "role", "valid to", "serial"), (_certificate(status, row) for row in rows)),
        *note,
    ]


def _certificate(status: Status, row: Certificate) -> Iterator[str]:
    yield _safe(row.host)
    yield f'<span class="whole">{_safe(row.profile)}</span>'
    late = status.at >= row.due_at()
    yield _revoked(row) if row.revoked else _until(status, row.not_after, late=late)
    yield _number(row.serial)


def _relaying(status: Status, limit: int) -> list[str]:
    rows = status.relaying[:limit]
    if not rows:
        return []
    pulls = ("last pull",) if status.pulls is not None else ()
    head = ("host", "account", "certificate", "mechanisms", *pulls)
    found = status.accounts
    more = len(rows) < len(status.relaying) or found.total > len(found.shown)
    some = "; these are not all" if more else ""
    note = f"{number_of(found.total, 'account')} in {_safe(found.database)}{some}"
    return [*_table(head, (_relay(status, row) for row in rows)), f"<p>{note}</p>"]


def _relay(status: Status, row: Relaying) -> Iterator[str]:
    none = '<span class="faint">{}</span>'
    yield _safe(row.host) or none.format("no host known")
    yield _safe(row.account) or none.format("none")
    cert = row.certificate
    late = cert is not None and status.at >= cert.due_at()
    yield (
        (_revoked(cert) if cert.revoked else _until(status, cert.not_after, late=late))
        if cert
        else (none.format("none"))
    )
    otherwise = "none" if row.account else "only where certificates may relay"
    yield ", ".join(map(_safe, row.mechanisms)) or none.format(otherwise)
    if status.pulls is not None:
        pulled = status.pulls.get(row.host)
        yield f"{pulled:%Y-%m-%d %H:%M} UTC" if pulled else "never"


def _clients(status: Status, limit: int) -> list[str]:
    rows = ((_safe(one.host), _safe(one.account), _safe(one.standing())) for one in status.clients[:limit])
    return _table(("host", "account", "how it stands"), rows) if status.clients else []


def _changes(changes: Iterable[Change]) -> list[str]:
    rows = [f"<li>{_change(change)}<br><code>{_safe(change.next)}</code></li>" for change in changes]
    return ["<ul>", *rows, "</ul>"] if rows else []


def _change(change: Change) -> str:
    until = f", next step from {change.until:%Y-%m-%d %H:%M} UTC on" if change.until else ""
    both = f"<strong>{_safe(change.old)}</strong> \u2192 <strong>{_safe(change.new)}</strong>"
    return f"{both}: {_safe(change.note)} since {change.since:%Y-%m-%d}{until}"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """Return a table; the cells are HTML."""
    names = list(head)
    first = "".join(f'<th scope="col" role="columnheader">{name}</th>' for name in names)
    lines = (
        f'<tr role="row">{"".join(map(_cell, names, row))}</tr>' for row in rows
    )  # roles: where a narrow screen shows rows as blocks, they are a table still
    return [
        f'<table role="table"><thead role="rowgroup"><tr role="row">{first}</tr></thead>',
        '<tbody role="rowgroup">',
        *lines,
        "</tbody></table>",
    ]


def _cell(name: str, cell: str) -> str:
    return f'<td role="cell" data-label="{name}"><span>{cell}</span></td>'


def _number(text: str) -> str:
    return f'<code title="{_safe(text)}">{_safe(text[:12])}</code>'


def _until(status: Status, end: datetime, *, late: bool) -> str:
    tone = tone_of(status, end, late=late)
    return f'{end:%Y-%m-%d} <span class="toned {tone}">{left(status, end)}</span>'


def _revoked(row: Certificate) -> str:
    return f'{row.not_after:%Y-%m-%d} <span class="toned bad">revoked</span>'


def _safe(text: str) -> str:
    return escape(shown(text))
