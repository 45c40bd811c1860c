"""``smtpcreds cert``: certificates of hosts."""

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import datetime
from itertools import chain, islice
from typing import TYPE_CHECKING

from ..errors import UsageError, number_of
from . import lazy_click as click
from .audit import finding_lines, finding_row
from .crl_answer import crl_lines, crl_row
from .framework import PROFILES, noun, parse_duration, reload_hook, reload_line, reload_option, yes_option
from .secrets import ca_passphrase, passphrase_option
from .session import Session, pass_session

if TYPE_CHECKING:
    from ..ca.issue import Issued
    from ..ca.lookup import View
    from ..ca.reload import Hook
    from ..ca.renew import Renewed, Upkeep
    from ..config import Site
    from ..inventory.rows import CertificateRow
    from ..model import Finding
    from ..retire import Retired
    from ..transaction import Transaction


cert = noun(
    "cert",
    "Certificates of mail hosts.",
    {
        "issue": ("cert", "issue", "Issue certificates with new keys."),
        "renew": ("cert", "renew", "Renew certificates, by name or all that are due."),
        "revoke": ("cert", "revoke", "Revoke a certificate and sign a CRL that says so."),
        "retire": ("cert", "retire", "End a host: revoke, remove its files, forget it."),
        "request": ("cert_exchange", "request", "Make a key, and a request to another CA."),
        "install": ("cert_exchange", "install", "Install the answer of another CA."),
        "sign": ("cert_exchange", "sign", "Sign the request of a host that keeps its own key."),
        "list": ("cert", "list_", "List certificates."),
        "show": ("cert", "show", "Show a certificate."),
        "verify": ("cert", "verify", "Check that what is installed works."),
        "export": ("cert_exchange", "export", "Write a certificate in another form."),
    },
)


_jobs_option = click.option(
    "--jobs",
    type=int,
    metavar="N",
    help="Make keys and sign in N processes; default: by the number of hosts.",
)

# ``smtpcreds cert issue``.


@click.command()
@click.argument("hosts", metavar="HOST...", nargs=-1)
@click.option(
    "--from", "listing", metavar="FILE", help="Also the hosts of FILE, a line: host,names,profile,days."
)
@click.option("--server", is_flag=True, help="For the server role only.")
@click.option("--client", is_flag=True, help="For the client role only.")
@click.option(
    "--san", "alternatives", multiple=True, metavar="NAME", help="One more host name or IP address."
)
@click.option("--days", type=int, metavar="N", help="Lifetime; default: 365.")
@click.option(
    "--key-type", metavar="TYPE", help="p256 (default), p384, rsa2048, rsa3072, rsa4096 or ed25519."
)
@click.option("--to", "target", metavar="DIR", help="Write into DIR, not into /etc/mail/certs.")
@click.option("--force", is_flag=True, help="Replace what is there.")
@_jobs_option
@passphrase_option
@pass_session
def issue(
    session: Session,
    hosts: tuple[str, ...],
    listing: str | None,
    server: bool,
    client: bool,
    alternatives: tuple[str, ...],
    days: int | None,
    key_type: str | None,
    target: str | None,
    force: bool,
    jobs: int | None,
    passphrase: str | None,
) -> None:
    """Issue a certificate with a new key for each HOST.

    It serves in both roles, server and client, unless --server or --client says otherwise. A HOST without
    a domain gets the configured one.
    """
    from ..ca.issue import CertificateOptions, Issued, Refused, orders
    from ..ca.issue import issue as carry_out
    from .next_step import after_issue

    site = session.site()
    directory = session.absolute(target) if target else None
    profile = PROFILES[server, client]
    render_options = CertificateOptions(profile, alternatives, days, key_type, directory)
    wanted = orders(site, hosts, session.absolute(listing) if listing else None, render_options)
    outcomes = session.run(
        site, lambda work: carry_out(work, wanted, force=force, jobs=jobs), ca_passphrase(passphrase, site)
    )
    if outcomes is None:
        return
    issued = [outcome for outcome in outcomes if isinstance(outcome, Issued)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    failures = [{"host": outcome.host, "error": str(outcome.error)} for outcome in refused]
    session.show(
        lambda: {"certificates": [issued_row(o) for o in issued], "failed": failures},
        chain(issued_lines(session, issued), () if directory else after_issue(site, issued)),
    )
    session.fail(outcome.error for outcome in refused)


def issued_row(issued: "Issued") -> dict[str, object]:
    """Return what JSON tells of a new certificate."""
    from ..pki.describe import describe

    found, order = describe(issued.certificate), issued.order
    return {
        "host": order.host,
        "profile": order.profile.name,
        "names": order.names,
        "key_type": found.key_type,
        "serial": found.serial,
        "not_before": found.not_before,
        "not_after": found.not_after,
        "shortened": issued.shortened,
        "fingerprint": found.fingerprint,
        "key": order.pair.key,
        "certificate": order.pair.certificate,
    }


def issued_lines(session: Session, outcomes: Iterable["Issued"]) -> Iterator[str]:
    """Yield what a person is told of new certificates."""
    from ..pki.keys import key_label

    for issued in outcomes:
        found, order = issued.certificate, issued.order
        until = f"{found.not_valid_after_utc:%Y-%m-%d}{' (the end of the CA)' if issued.shortened else ''}"
        yield f"{order.host}: {order.profile.label}, {key_label(found.public_key())}, valid to {until}"
        yield f"  {session.described(order.pair.key)}"
        yield f"  {session.described(order.pair.certificate)}"


# ``smtpcreds cert renew``.

DUE = 1
"""Exit status of ``--due --dry-run`` when something is, and of ``--due`` when the authority is."""

_LEFT = 20


@click.command()
@click.argument("hosts", metavar="HOST...", nargs=-1)
@click.option("--due", is_flag=True, help="Renew all that is past two thirds of its lifetime, and the CRL.")
@click.option("--old-authority", is_flag=True, help="Renew all that a previous authority signed.")
@click.option("--new-key", is_flag=True, help="Make a new key; the default keeps the one that is in place.")
@click.option("--key-type", metavar="TYPE", help="Type of the new key; default: that of the previous one.")
@click.option("--san", "more", multiple=True, metavar="NAME", help="Add a host name or IP address.")
@click.option("--drop-san", "fewer", multiple=True, metavar="NAME", help="Leave this name out.")
@click.option("--days", type=int, metavar="N", help="Lifetime; default: that of the previous one.")
@_jobs_option
@reload_option
@passphrase_option
@pass_session
def renew(
    session: Session,
    hosts: tuple[str, ...],
    due: bool,
    old_authority: bool,
    new_key: bool,
    key_type: str | None,
    more: tuple[str, ...],
    fewer: tuple[str, ...],
    days: int | None,
    jobs: int | None,
    reload: str | None,
    passphrase: str | None,
) -> None:
    """Renew certificates: same names, same profile, same key, unless an option says otherwise.

    The former certificate stays valid, and the former pair stays beside the new one as *.previous. With
    --due --dry-run the exit status is 1 when something is due. With --due it is also 1 when the authority
    itself needs a successor, or certificates or CRLs have faults that no renewal cures; these are shown.
    """
    from ..ca.issue import Issued, Refused
    from ..ca.renew import NOTHING, Renewals, ending
    from ..ca.renew import renew as carry_out
    from .upkeep import upkeep_lines, upkeep_row

    wanted = Renewals(
        hosts,
        due,
        new_key,
        key_type=key_type,
        days=days,
        old_authority=old_authority,
        more=more,
        fewer=fewer,
        jobs=jobs,
    )
    hook = reload_hook(reload)
    site = session.site()

    def carried_out(work: "Transaction") -> "tuple[Renewed, Upkeep]":
        done = carry_out(work, wanted, hook=hook)
        changed = done.crl or done.copied or any(isinstance(item, Issued) for item in done.outcomes)
        return done, _kept_up(work, hook, told=bool(hook and changed)) if due else NOTHING

    both = session.run(site, carried_out, ca_passphrase(passphrase, site))
    wrong = _wrong(session, site) if due else []
    is_left = both is not None and both[1].postponed and bool(site.settings.ca.rollover)
    end = ending(site) if due and not is_left else None
    if end:
        site.warn(end)
    if both is None or (session.quiet and not session.as_json):  # which show no answer
        for finding in wrong:
            site.warn(f"{finding.subject}: {finding.message} ({finding.code}); cure: {finding.cure}")
    if both is None:
        raise SystemExit(DUE if due and (session.would_change or wrong or end) else 0)
    done, kept = both
    renewed = [outcome for outcome in done.outcomes if isinstance(outcome, Issued)]
    refused = [outcome for outcome in done.outcomes if isinstance(outcome, Refused)]
    is_changed = bool(renewed or done.crl or done.copied)
    owed = reload_line(site) if is_changed and not hook else ""
    session.show(
        lambda: {
            "certificates": [_row(item, new_key=new_key) for item in renewed],
            "failed": [{"host": item.host, "error": str(item.error)} for item in refused],
            "crl": done.crl and crl_row(done.crl),
            "crl_copied_to": done.copied,
            "reloaded": bool(hook and is_changed),
            "findings": [finding_row(finding) for finding in wrong],
            **upkeep_row(site, kept),
        },
        chain(
            _lines(
                session,
                renewed,
                done,
                wrong,
                owed=owed,
                end=end,
                idle=not kept.is_any,
            ),
            upkeep_lines(session, site, kept),
            finding_lines(wrong),
            _after_rollover(site) if old_authority else (),
        ),
    )
    session.fail((*(outcome.error for outcome in refused), *kept.failed))
    if wrong or end:
        raise SystemExit(DUE)


def _kept_up(work: "Transaction", hook: "Hook | None", *, told: bool) -> "Upkeep":
    from ..upkeep import keep_up

    return keep_up(work, hook=hook, told=told)


def _wrong(session: Session, site: "Site") -> "list[Finding]":
    """Return what the audit says of certificates and CRLs, except what a dry run would replace."""
    from ..audit.run import certificate_faults

    return [found for found in certificate_faults(site) if found.subject not in session.would_write]


def _after_rollover(site: "Site") -> Iterator[str]:
    """Yield what is left to do of a rollover."""
    from ..ca.authority import CA
    from ..ca.layout import reading
    from ..ca.old import old_hosts
    from ..ca.renew import next_of_rollover

    with reading(site) as inventory:
        left = old_hosts(site, inventory)
        step = next_of_rollover(site, inventory, CA(site), left)
    if left:
        yield f"hosts that still need the old authority: {', '.join(left[:_LEFT])}"
    if left or CA(site).superseded_cas:
        yield f"next: {step}"


def _row(issued: "Issued", *, new_key: bool) -> dict[str, object]:
    pair = issued.order.pair
    previous = {"previous_key": pair.previous_key, "previous_certificate": pair.previous_certificate}
    return {**issued_row(issued), "new_key": new_key, **previous}


def _lines(
    session: Session,
    renewed: "list[Issued]",
    done: "Renewed",
    wrong: "list[Finding]",
    *,
    owed: str,
    end: str | None,
    idle: bool,
) -> Iterator[str]:
    yield from issued_lines(session, renewed)
    if done.crl:
        yield from crl_lines(done.crl)
    yield from (f"CRL copied to {directory}" for directory in done.copied)
    if not (renewed or done.crl or done.copied):
        if idle and not (done.outcomes or end):
            yield "nothing could be renewed" if wrong else "nothing is due"
    elif owed:
        yield owed


# ``smtpcreds cert revoke``.


@click.command()
@click.argument("which", default="")
@click.option("--serial", metavar="SERIAL", help="Only the certificate whose number begins with this.")
@click.option(
    "--unknown", is_flag=True, help="Revoke the complete SERIAL although the inventory does not have it."
)
@click.option("--all", is_flag=True, hidden=True, expose_value=False)  # the default, since HOST means all
@click.option("--reason", metavar="REASON", default="unspecified", help="As in RFC 5280: keyCompromise, ...")
@yes_option
@reload_option
@passphrase_option
@pass_session
def revoke(
    session: Session,
    which: str,
    serial: str | None,
    unknown: bool,
    reason: str,
    yes: bool,
    reload: str | None,
    passphrase: str | None,
) -> None:
    """Revoke certificates, and sign a CRL that says so.

    WHICH is a host name, and means every certificate of the host that is still valid; or the beginning of a
    serial number or fingerprint; or a file with a certificate that this authority signed.
    """
    from ..ca.layout import issued_again
    from ..ca.revoke import RevocationRequest
    from ..ca.revoke import revoke as carry_out
    from ..pki.revocation import parse_reason
    from .delivery import still_relays

    if unknown and not serial:
        raise UsageError("--unknown", "goes with --serial")
    path = session.absolute(which) if which else ""
    wish = RevocationRequest(which, parse_reason(reason), serial or "", unknown, path)
    hook = reload_hook(reload)
    site = session.site()
    secret = ca_passphrase(passphrase, site)
    done = session.run(site, lambda work: carry_out(work, wish, hook=hook), secret, yes=yes)
    if done is None:
        return
    hosts = list(dict.fromkeys(row.host for row in done.certificates))
    for pair, row in done.in_place.items():
        site.warn(f"{pair.certificate}: is revoked and still in place; next: {issued_again(site, row)}")
    by_auth = [line for host in hosts for line in still_relays(site, host, wish.reason)]
    for line in by_auth:
        site.warn(line)
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
            *(
                f"{row.host}: revoked {row.serial}, valid to {row.not_after:%Y-%m-%d} ({wish.reason.value})"
                for row in done.certificates
            ),
            *(line for crl in done.crls for line in crl_lines(crl)),
            *([] if hook else [reload_line(site)]),
        ],
    )


# ``smtpcreds cert retire``.


@click.command()
@click.argument("host")
@click.option(
    "--reason", metavar="REASON", default="cessationOfOperation", help="As in RFC 5280: keyCompromise, ..."
)
@click.option("--account", "accounts", multiple=True, metavar="NAME", help="Delete the account NAME too.")
@click.option("--with-accounts", is_flag=True, help="Delete the accounts that only HOST was given.")
@click.option("--force", is_flag=True, help="Also if HOST is the hub itself.")
@yes_option
@reload_option
@passphrase_option
@pass_session
def retire(
    session: Session,
    host: str,
    reason: str,
    accounts: tuple[str, ...],
    with_accounts: bool,
    force: bool,
    yes: bool,
    reload: str | None,
    passphrase: str | None,
) -> None:
    """End HOST: revoke its certificates, remove its pair, and forget what it was given.

    Its accounts stay, unless they are named or --with-accounts is given.
    """
    from ..pki.revocation import parse_reason
    from ..retire import RetireRequest
    from ..retire import retire as carry_out

    wanted = RetireRequest(host, parse_reason(reason), accounts, with_accounts, force)
    hook = reload_hook(reload)
    site = session.site()
    done = session.run(
        site,
        lambda work: carry_out(work, wanted, hook=hook),
        ca_passphrase(passphrase, site),
        yes=yes,
    )
    if done is None:
        return
    session.show(
        {
            "host": done.host,
            "revoked": [{"serial": row.serial, "not_after": row.not_after} for row in done.revoked],
            "reason": wanted.reason.value,
            "crls": [crl_row(crl) for crl in done.crls],
            "removed": done.files,
            "accounts": done.accounts,
            "accounts_kept": [{"account": name, "hosts": hosts} for name, hosts in done.kept.items()],
            "reloaded": hook is not None,
        },
        [*_retired_lines(done, wanted.reason.value), *([] if hook else [reload_line(site)])],
    )


def _retired_lines(done: "Retired", reason: str) -> Iterator[str]:
    yield f"{done.host}: retired"
    yield from (f"  revoked {row.serial} ({reason})" for row in done.revoked)
    yield from (line for crl in done.crls for line in crl_lines(crl))
    yield from (f"  removed {path}" for path in done.files)
    yield from (f"  deleted account {name}" for name in done.accounts)
    for name, hosts in done.kept.items():
        have = "have" if len(hosts) > 1 else "has"
        who = f"{', '.join(hosts)} {have} it too" if hosts else "no other host is known to use it"
        yield f"  account {name} stays; {who}"


# ``smtpcreds cert list``.

_MEASURED = 1000
"""So many lines decide how wide the first column is; the rest of a million are not waited for."""


@click.command("list")
@click.option(
    "--expires-within",
    "within",
    metavar="SPAN",
    help="Those that expire within 12h, 30d or 4w, or have expired.",
)
@click.option("--host", metavar="HOST", help="Those of HOST.")
@click.option(
    "--all", "everything", is_flag=True, help="Also replaced, revoked, unfinished and long expired ones."
)
@pass_session
def list_(session: Session, within: str | None, host: str | None, everything: bool) -> None:
    """List the certificates in use, those that end next first.

    The exit status is 0 whatever is listed; for a status that says whether something is due, see cert renew.
    """
    from ..ca.layout import reading, warn_of_crls
    from ..ca.listing import Selection, instead_of_unknown, listed

    site = session.site()
    span = None if within is None else parse_duration(within)
    name = site.qualify(host, wildcard=True) if host is not None else None
    now = site.clock()
    with (
        reading(site) as inventory,
        # Closed before the inventory is, also when the reader of a pipe has gone.
        closing(listed(site, inventory, Selection(span, name, everything))) as rows,
    ):
        warn_of_crls(site, inventory)
        if session.as_json:
            session.show({"certificates": [row_data(site, row) for row in rows]}, ())
        else:
            session.show({}, _table_lines(rows, now), listed=True)
        if name and (near := instead_of_unknown(inventory, name)):
            site.warn(f"{name}: no certificate matches; did you mean {near}?")


def row_data(site: "Site", row: "CertificateRow") -> dict[str, object]:
    """Return what JSON tells of a certificate in the inventory."""
    from ..ca.listing import certificate_path, days_left

    return {
        "host": row.host,
        "profile": row.profile,
        "names": row.names,
        "serial": row.serial,
        "state": row.state,
        "days_left": days_left(row, site.clock()),
        "not_before": row.not_before,
        "not_after": row.not_after,
        "fingerprint": row.fingerprint,
        "certificate": certificate_path(site, row),
        "revoked_at": row.revoked_at,
        "reason": row.reason,
    }


def _table_lines(rows: "Iterable[CertificateRow]", now: datetime) -> Iterator[str]:
    from ..ca.listing import days_left

    rest = iter(rows)
    first = list(islice(rest, _MEASURED))
    if not first:
        yield "no certificates"
    width = max((len(row.host) for row in first), default=0)
    for row in chain(first, rest):
        left = days_left(row, now)
        state = "expired" if left < 0 and row.state == "issued" else row.state
        yield (
            f"{row.host:{width}}  {row.profile:6}  {left:>5} d  {row.not_after.isoformat()[:10]}"
            f"  {row.serial[:12]:12}  {state}"
        )


# ``smtpcreds cert show``.


@click.command()
@click.argument("which")
@pass_session
def show(session: Session, which: str) -> None:
    """Show the certificate WHICH: a host, the beginning of a serial number or fingerprint, or a file.

    Of several certificates of one host it is the newest that is issued.
    """
    from ..ca.lookup import find, views

    site = session.site()
    found = views(site, find(site, which, session.absolute(which)))
    session.show({"certificates": [_data(view) for view in found]}, _all_lines(found), listed=True)


def _data(view: "View") -> dict[str, object]:
    row = view.row
    return asdict(view.description) | {
        "days_left": view.days_left,
        "chain": view.chain,
        "chain_fault": view.fault,
        "state": view.state,
        "host": row and row.host,
        "profile": row and row.profile,
        "revoked_at": row and row.revoked_at,
        "reason": row and row.reason,
        "file": view.installed,
    }


def _all_lines(found: "list[View]") -> Iterator[str]:
    for number, view in enumerate(found):
        if number:
            yield ""
        yield view.description.title
        for name, text in _facts(view):
            yield f"  {name:13}{text}"


def _facts(view: "View") -> Iterator[tuple[str, str]]:
    found = view.description
    if names := (*found.dns_names, *found.addresses):
        yield "names", ", ".join(names)
    yield "role", _role(view)
    yield "key", found.key_type
    yield "valid", f"{found.not_before:%Y-%m-%d %H:%M} to {found.not_after:%Y-%m-%d %H:%M} UTC, {_left(view)}"
    yield "state", _state(view)
    yield "issued by", found.issuer
    yield "chain", f"open: {view.fault}" if view.fault else " < ".join(view.chain) or "is a trusted root"
    yield "serial", found.serial
    yield "certificate", f"SHA-256 {found.fingerprint}"
    yield "public key", f"SHA-256 {found.public_id}"
    if view.installed:
        yield "file", view.installed
    if found.is_ca:
        yield "sendmail", f"CertIssuer:{found.access_subject}"
    else:
        yield "sendmail", f"CertIssuer:{found.access_issuer}"
        yield "", f"CertSubject:{found.access_subject}"


def _role(view: "View") -> str:
    found = view.description
    if found.is_ca:
        limits = f", only for {', '.join(found.permitted_domains)}" if found.permitted_domains else ""
        return f"certificate authority{limits}"
    return " and ".join(found.roles) or "none in TLS"


def _left(view: "View") -> str:
    return (
        f"{number_of(view.days_left, 'day')} left"
        if view.days_left >= 0
        else f"ended {number_of(-view.days_left, 'day')} ago"
    )


def _state(view: "View") -> str:
    row = view.row
    if row is None:
        return "expired" if view.state == "expired" else "not in the inventory"
    if row.revoked_at:
        return f"revoked on {row.revoked_at:%Y-%m-%d %H:%M} UTC, {row.reason}"
    return f"{view.state} as {row.profile} certificate of {row.host}"


# ``smtpcreds cert verify``.


@click.command()
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
    from ..ca.verify import subject
    from ..ca.verify import verify as checks_of

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
        listed=True,
    )
    if not ok:
        raise SystemExit(1)
