"""Client hosts that fetch their bundles: who may, and what each is handed when it comes.

A host comes over ssh with a key for which sshd runs one command, that names the host; see sshd(8),
AUTHORIZED_KEYS FILE FORMAT. It says on standard input what it has, and gets the archive or nothing.
"""

from base64 import b64decode
from dataclasses import replace
from datetime import datetime
from hashlib import sha256

from ..accounts.database import AccountDatabase, recorded_place
from ..accounts.rotation import latest
from ..ca.authority import CA
from ..ca.crl import crl_is_due
from ..ca.issue import CertificateOptions as IssueOptions
from ..ca.issue import issue, order
from ..ca.layout import Pair, pair_of
from ..ca.old import old_authorities
from ..ca.publish import keep_fresh, refresh_superseded_crls, superseded_crls_are_due, take_crls
from ..ca.reload import leave_to_next
from ..ca.renew import Renewals, renew
from ..ca.state import row_of
from ..ca.told import remember, remembered
from ..config import Site
from ..deploy.delivery import Handover, handovers, kept_for, newest, record_handover
from ..deploy.facts import gather
from ..deploy.last_bundle import lasting
from ..deploy.options import parse_words, words
from ..errors import DataError, DeniedError, MissingInputError, SmtpcredsError, UsageError, quoted
from ..files import (
    check_parents,
    check_target,
    exists,
    read_private,
    read_public,
    require_directory,
    sweep_target,
    write_all,
)
from ..inventory.pulls import Pull
from ..inventory.rows import FETCHES, CertificateRow, State
from ..lazy import dataclass, pattern
from ..model import Artifact
from ..mta.program import Need, Program, Role
from ..mta.programs import program_for
from ..pki.crl import read_crl
from ..pki.dates import is_due
from ..pki.keys import decode_key, public_id
from ..shell import quote
from ..transaction import Transaction
from .contents import CertificateOptions, existing_credentials
from .make import LATER, BundleRequest, assemble, ensure_account

LOGIN = "smtpcreds"
"""The account on the hub that client hosts come to, unless it is root."""
_KEY_TEXT = r"(?:sk-)?(?:ssh|ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}"
_KEY = pattern(_KEY_TEXT)
_QUOTED = r'"(?:\\.|[^"\\])*"'
_LINE = pattern(rf"(?!#)(?:(?P<options>(?:{_QUOTED}|[^\s\"])+)\s+)?(?P<key>{_KEY_TEXT})(?:\s.*)?")
_OURS = pattern(rf"(?:restrict|command={_QUOTED})(?:,|$)")
_HAVE = pattern(rb"have ([0-9a-f]{64}|none)\n?")
_NEW_KEY = (
    "on the client host: mkdir -p /etc/smtpcreds && ssh-keygen -t ed25519 -N '' -f /etc/smtpcreds/pull-key"
)
MAX_WORD = 100
"""Octets of what a host says."""


@dataclass(frozen=True)
class Authorized:
    """A host that may fetch its bundles.

    Attributes:
        host: full name.
        line: for the file authorized_keys of the account.
        added: to which file; empty for none.
        is_new: it was not in that file.
    """

    host: str
    line: str
    added: str = ""
    is_new: bool = True


def parse_key(text: str, subject: str) -> str:
    """Return a public key of ssh without options and comment.

    Raises:
        DataError: it is none, or several, or a private key.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    found = _KEY.match(lines[0]) if len(lines) == 1 else None
    if found is None:
        raise DataError(subject, "is not one line with a public key of ssh", _NEW_KEY)
    kind, _, text = found[0].partition(" ")
    if not _is_whole(kind, text):
        raise DataError(subject, f"its key of {kind} is not whole, or none that sshd takes", _NEW_KEY)
    return found[0]


def _is_whole(kind: str, text: str) -> bool:
    """Tell whether a key is strings to its end, the first of which names its kind (RFC 4253, section 6.6)."""
    try:
        left = b64decode(text, validate=True)
    except ValueError:
        return False
    strings = []
    while left:
        end = 4 + int.from_bytes(left[:4])
        if len(left) < end:
            return False
        strings.append(left[4:end])
        left = left[end:]
    return len(strings) > 1 and strings[0] == kind.encode() and kind != "ssh-dss"


def key_line(command: str, key: str, host: str) -> str:
    """Return the line of authorized_keys by which a key can do nothing but run the command."""
    if not command.isprintable() or '"' in command or "\\" in command:
        raise UsageError(command, "can't be written into authorized_keys", "use plain paths")
    return f'restrict,command="{command}" {key} {host}'


def _warn_of_another_program(work: Transaction, host: str, program: Program) -> None:
    given = handovers(work.inventory.deliveries_to([host])).get(host)
    if given and given.program != program.NAME:
        what = f"was given a bundle for {given.program}, and fetches one for {program.NAME} from now on"
        work.warn(f"{host}: {what}; if it has {given.program}, type this again with --mta {given.program}")


def authorize(work: Transaction, wanted: BundleRequest, line: str, path: str | None) -> Authorized:
    """Let a host fetch its bundles; it gets a pair of its own if it has none here.

    Args:
        work: whose authority signs.
        wanted: its program, options, and the login on this hub.
        line: from :func:`key_line`.
        path: absolute, of the authorized_keys that gets the line; None leaves that to the administrator.
    """
    site, host = work.site, wanted.order.host
    work.require_inventory()
    if wanted.own_account:
        ensure_account(work, wanted)
    account = current_account(work, wanted.render_options.account)
    is_read = Need.REVOCATIONS in wanted.program.NEEDS
    options = replace(wanted.render_options, account=account, crl=is_read)
    wanted.program.render(gather(site, wanted.program, options, LATER, ask=work.ask))
    before = _lines_of(path) if path else []
    after = _with_line(before, line, host, path or "")
    place = pair_of(site, host, site.hosts)
    if work.require_inventory().current(host, work.now, site.root.record(place.stem)) is None:
        issue(work, [replace(wanted.order, pair=place)], force=exists(place.key))
    _warn_of_another_program(work, host, wanted.program)
    pull = Pull(host, wanted.program.NAME, words(wanted.render_options), wanted.login, work.now)
    former = work.inventory.pulls.find(host)
    if site.machine and former and former.wish != pull.wish:
        work.warn(f"{host}: hubs that share the inventory give it nothing until the same is typed there")
    remember(site, FETCHES, host, pull.wish)
    work.inventory.pulls.put(pull)
    work.record(FETCHES, host, f"program {wanted.program.NAME}, login {wanted.login}")
    if path is None or after == before:
        return Authorized(host, line, path or "", is_new=path is None)
    content = "".join(f"{text}\n" for text in after).encode(errors="surrogateescape")
    write_all([Artifact(path, content, 0o644)])
    return Authorized(host, line, path)


def _lines_of(path: str) -> list[str]:
    require_directory(path)
    check_parents(path)
    check_target(path)
    sweep_target(path)
    return read_public(path).decode(errors="surrogateescape").splitlines() if exists(path) else []


def _with_line(lines: list[str], line: str, host: str, path: str) -> list[str]:
    """Return the lines of authorized_keys with the host's among them; its options beside ours stay.

    Raises:
        DataError: the key is in a line that is not the host's. Of two, sshd obeys the first: sshd(8).
    """
    new = _LINE.fullmatch(line)
    found = [(text, _LINE.fullmatch(text.strip())) for text in lines]
    own = [(text, of) for text, of in found if of and f' bundle {host} --serve"' in (of["options"] or "")]
    for number, (text, of) in enumerate(found, 1):
        if (text, of) not in own and of and new and of["key"] == new["key"]:
            reason = f"line {number} is for the same key, which would not be {host}'s alone"
            raise DataError(path, reason, _NEW_KEY)
    others = [text for text, of in found if (text, of) not in own]
    theirs = [_OURS.sub("", of["options"]).rstrip(",") for _, of in own if of]
    whole = ",".join(filter(None, (*theirs[:1], line)))
    return lines if [text for text, _ in own] == [whole] else [*others, whole]


def parse_have(text: bytes) -> str:
    """Return the digest of what the host has, or nothing.

    Raises:
        UsageError: it says something else.
    """
    found = _HAVE.fullmatch(text)
    if text and found is None:
        raise UsageError("standard input", "takes a line: have SHA256, or have none")
    return "" if found is None or found[1] == b"none" else found[1].decode()


def serve(work: Transaction, host: str, have: str) -> bytes:
    """Return the host's bundle, or nothing where it has that already; what is due is renewed first.

    Args:
        work: whose authority signs, where its key can be opened without asking anybody.
        host: full name.
        have: SHA-256 of the archive that the host has, hex; or empty.

    Raises:
        DeniedError: the host may not come, or is shut out.
    """
    pull = work.require_inventory().pulls.find(host)
    if pull is None:
        hint = f"on the hub: smtpcreds bundle {quote(host)} --authorize KEY.pub"
        raise DeniedError(host, "fetches no bundles from this hub", hint)
    _verify_told(work.site, pull)
    row = _row(work, host)
    _pair(work, row)
    take_crls(work)
    row = _renewed(work, row, may_change_authority=not have)
    data, made = _assembled(work, pull, row)
    if (
        have
        and sha256(data).hexdigest() == have
        and row.authority in old_authorities(work.inventory, work.ca)
    ):
        row = _renewed(work, row, may_change_authority=True)
        data, made = _assembled(work, pull, row)
    if sha256(data).hexdigest() == have:
        work.inventory.pulls.came(replace(made, held=pull.held if pull.digest == have else None), work.now)
        return b""
    with work.inventory.transaction():
        work.inventory.pulls.put(made)
        if made.digest != pull.digest:
            whom = (host, work.now, made.account, pull.program, row.serial, True)
            record_handover(work, Handover(*whom, options=lasting(parse_words(pull.options))))
    return data


def _verify_told(site: Site, pull: Pull) -> None:
    """Refuse what the server of an inventory that others share says alone of a host.

    Of one that was authorized before this was remembered, it is believed once.
    """
    told = remembered(site, FETCHES, pull.host) if site.machine else None
    if told not in (None, pull.wish):
        reason = f"the inventory's server says {quoted(pull.wish)}, and this hub {quoted(told or '')}"
        hint = f"on the hub: smtpcreds bundle {quote(pull.host)} --authorize KEY.pub"
        raise DeniedError(pull.host, f"gets nothing, for {reason}", hint)
    remember(site, FETCHES, pull.host, pull.wish)


def _row(work: Transaction, host: str) -> CertificateRow:
    """Return the newest certificate of the pair that is kept here for the host."""
    rows = kept_for(work.site, work.inventory, host)
    last = newest(rows)
    if last is None or last.state is State.REVOKED:
        when = f" on {last.revoked_at:%Y-%m-%d} ({last.reason})" if last and last.revoked_at else ""
        hint = f"on the hub, if it may come back: smtpcreds bundle {quote(host)} --authorize KEY.pub"
        raise DeniedError(host, f"was revoked{when} and gets nothing", hint)
    live = [row for row in rows if row.state is State.ISSUED]
    if not live:
        raise DeniedError(host, "was retired and gets nothing")
    return max(reversed(live), key=lambda row: (row.created, row.authority, row.not_after))


def _renewed(work: Transaction, row: CertificateRow, *, may_change_authority: bool) -> CertificateRow:
    """Renew certificate and CRL where they are due; a failure is none as long as what there is holds.

    A host believes a certificate of a new authority only once it has that authority's own.
    """
    is_old = row.authority in old_authorities(work.inventory, work.ca)
    due = is_due(row.not_before, row.not_after, work.now)
    try:
        if (due and not is_old) or (is_old and may_change_authority):
            leave_to_next(work)  # with a certificate that a host comes for, the hub may sign a CRL of its own
            renew(work, Renewals((row.host,)))
            return _row(work, row.host)
        _refresh_crls(work)
    except SmtpcredsError as error:
        if row.not_after <= work.now:
            raise
        work.warn(f"{row.host}: was not renewed: {error}")
        work.recover()
    return row


def _refresh_crls(work: Transaction) -> None:
    own = row_of(work.inventory, work.ca.certificate)
    if own is None or crl_is_due(work.site, work.inventory, work.ca, own):
        leave_to_next(work)
        keep_fresh(work, work.issuer())
    if superseded_crls_are_due(work.site, work.inventory, work.ca):
        leave_to_next(work)
        refresh_superseded_crls(work)


def _assembled(work: Transaction, pull: Pull, row: CertificateRow) -> tuple[bytes, Pull]:
    site, program = work.site, program_for(pull.program, Role.CLIENT)
    options = parse_words(pull.options)
    account = current_account(work, options.account)
    options = replace(options, host=pull.host, account=account, crl=Need.REVOCATIONS in program.NEEDS)
    facts = gather(site, program, options, LATER, ask=work.ask)
    pair = _pair(work, row)
    credentials = existing_credentials(work.ca, work.inventory, row, pair)
    wanted = BundleRequest(
        order(site, pull.host, IssueOptions()),
        program,
        options,
        CertificateOptions(),
        login=pull.login,
    )
    data, _, crl_end = assemble(work, wanted, facts, credentials, _made(work.ca, row))
    made = replace(
        pull,
        asked=work.now,
        digest=sha256(data).hexdigest(),
        serial=row.serial,
        account=str(facts.credential.account) if facts.credential else "",
        not_after=row.not_after,
        crl_end=crl_end,
        held=None,
    )
    return data, made


def _pair(work: Transaction, row: CertificateRow) -> Pair:
    """Return where the host's key is, unless only another hub that shares the inventory has it.

    Raises:
        MissingInputError: the key here is none, or that of an earlier certificate.
    """
    pair = Pair(work.site.root.locate(row.directory))
    content = read_private(pair.key) if exists(pair.key) else None
    key = content and decode_key(content, None, pair.key).public_key()
    if work.site.machine and not (key and public_id(key) == row.key_id):
        reason = f"is not the key of {row.host} that another hub has made"
        raise MissingInputError(pair.key, reason, f"copy {work.site.hosts} from that hub, or share it")
    return pair


def _made(ca: CA, row: CertificateRow) -> datetime:
    """Return the time of the newest of what a bundle holds, so that nothing new makes the same archive."""
    lists = (read_crl(item.content, item.name, None).this_update for item in ca.crl_lists())
    return max([row.created, *lists])


def current_account(work: Transaction, account: str | None) -> str:
    """Return the account that takes the place of this one, by all replacements so far."""
    database = AccountDatabase(work.site)
    name = database.parse(account or work.site.settings.sasl.account)
    return str(latest(work.inventory, recorded_place(work.site, database.database), name))
