"""The accounts of one relay: add, list, change, delete, read back."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..config import Site
from ..errors import (
    ConfigError,
    ExistsError,
    ForeignFormatError,
    MissingInputError,
    NameRefusedError,
    NoSuchAccountError,
    PasswordRefusedError,
    SmtpcredsError,
    nearest,
)
from ..files import audit_to_syslog, ensure_directory, exists, is_directory
from ..model import Account, Credential, Owner, parse_account
from ..postgres import is_url
from ..sasldb.detect import Format, host_format
from ..sasldb.limits import refuse_misfits
from ..sasldb.observed import Observed
from ..sasldb.opening import format_at, kind_of, open_store
from ..sasldb.records import USER_PASSWORD, by_account, properties, record, replacement, unpack
from ..sasldb.replace import NewFile, resolve_to_write, tidy
from ..sasldb.store import Edits, Store
from ..secret import Secret
from ..shell import quote
from ..systems import PLUGIN_DIRECTORIES
from .copies import apply_with, copies_of
from .entries import Entry, Listing, listing, served
from .rules import check_new_name, of_capitals, refuse_login_name
from .stored import CLEAR, Form, form_of

if TYPE_CHECKING:
    from .stored import Delivery


# Format, mode and owner of a database that does not exist yet, from the configuration.


def place_of(database: str) -> str:
    """Return an absolute path, or a URL as it is."""
    return database if is_url(database) else os.path.abspath(database)


def database_of(site: Site, recorded: str) -> str:
    """Return the path or URL of a database that the inventory recorded."""
    return recorded if is_url(recorded) else site.root.locate(recorded)


def recorded_place(site: Site, database: str) -> str:
    """Return a database as the inventory records it."""
    return database if is_url(database) else site.root.record(database)


def open_or_make(database: str, new: Format | None, made: NewFile) -> Store:
    """Return the store to be changed; the directory of a file is made where there is none.

    Args:
        database: path or URL.
        new: format of a new file; None leaves it to the host.
        made: mode and owner of a new file.
    """
    if is_url(database):
        return open_store(database)
    ensure_directory(os.path.dirname(database), 0o755, tighten=False)
    return open_store(database, new=None if exists(database) else new, origin=made)


def new_format(site: Site) -> Format:
    """Return the configured format of a new database, else what the host's own Cyrus SASL reads.

    Raises:
        ConfigError: nobody knows; a file in another format would be read by nobody.
    """
    name = site.settings.sasl.format
    return Format(name) if name else _format_of_host(site)


def _format_of_host(site: Site) -> Format:
    """Return what the plugin of Cyrus SASL reads, else what the packages of the system read; else None."""
    found = host_format(site.root.path(pattern) for pattern in PLUGIN_DIRECTORIES)
    usual = site.system.sasldb_format
    if found or usual:
        return found or Format(usual)
    reason = f"does not say in which format to make {site.sasldb}, and no plugin of Cyrus SASL here tells"
    hint = 'write format = "gdbm" (or "bdb", "lmdb") in table [sasl], as libsasldb of that host is linked'
    raise ConfigError(site.settings_path, reason, hint)


def refuse_other_format(database: str, wanted: Format) -> None:
    """Accept a database of the format asked for, or none yet."""
    found = format_at(database)
    if found not in (None, wanted):
        command = f"smtpcreds sasl convert --to {wanted} --database {quote(database)} NEWFILE"
        hint = f"leave --format out, or: {command}"
        raise ForeignFormatError(database, f"exists and has format {found}, not {wanted}", hint)


def origin(site: Site) -> NewFile:
    """Return what ``[sasl]`` says of a new database; an existing one keeps what it has."""
    wanted = site.settings.sasl
    owner = None
    if wanted.owner or wanted.group:
        owner = Owner(_uid(site, wanted.owner), _gid(site, wanted.group))
    return NewFile(int(wanted.mode, 8), owner)


def _uid(site: Site, name: str) -> int:
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid if name else os.geteuid()
    except KeyError:
        raise ConfigError(site.settings_path, f"sasl.owner: there is no user {name}") from None


def _gid(site: Site, name: str) -> int:
    import grp

    try:
        return grp.getgrnam(name).gr_gid if name else os.getegid()
    except KeyError:
        raise ConfigError(site.settings_path, f"sasl.group: there is no group {name}") from None


Records = Mapping[bytes, bytes]
Edit = Callable[[Records], Edits]
"""Computes new values from all records; see :data:`smtpcreds.sasldb.store.Change`."""
Ask = Callable[[Callable[[], Secret]], Secret]


class Change(NamedTuple):
    """What was done to which account in which file or URL.

    Attributes:
        mechanisms: that serve the account since.
        form: how its secret is stored.
        deliveries: where that went.
    """

    account: Account
    database: str
    mechanisms: tuple[str, ...] = ()
    form: Form = CLEAR
    deliveries: Sequence["Delivery"] = ()


def ask_at_once(question: Callable[[], Secret]) -> Secret:
    """Return the answer now."""
    return question()


class AccountDatabase:
    """The database of one relay; its records are loaded once, and again after a change.

    Args:
        site: names the realm of bare names and the default database.
        database: another file or ``postgresql://`` URL than the configured one.
        new: format of a database that is to be made, instead of the configured one.
        ask: gets the answer to a question about a secret, as :meth:`smtpcreds.transaction.Transaction.ask`.

    Raises:
        ForeignFormatError: the database exists and has another format than ``new``.
    """

    def __init__(
        self, site: Site, database: str | None = None, *, new: Format | None = None, ask: Ask = ask_at_once
    ) -> None:
        self.site = site
        self.database = place_of(database) if database else site.sasldb
        self._new, self.ask = new, ask
        self._loaded: tuple[object | None, Records] | None = None
        self._found: Observed | None = None
        if new:
            refuse_other_format(self.database, new)

    def __contains__(self, account: Account) -> bool:
        return bool(properties(self.records(), account))

    def parse(self, text: str, realm: str | None = None) -> Account:
        """Read ``user`` or ``user@realm``; a bare name gets the realm given, else the relay's own.

        Raises:
            NameRefusedError: also when the name carries one realm and ``realm`` is another.
        """
        account = parse_account(text, realm or self.site.realm)
        if realm and account.realm != realm:
            raise NameRefusedError(text, f"names the realm {account.realm}, and --realm says {realm}")
        return self.folded(account)

    def folded(self, account: Account) -> Account:
        """Return the account in the relay's own realm where its realm differs by case alone.

        Cyrus SASL looks a bare name up in the relay's realm as it is written, which is in lower case. An
        account that other programs made in the other spelling is meant as it is.
        """
        own = self.site.realm
        if account.realm == own or account.realm.lower() != own.lower() or account in self:
            return account
        return account._replace(realm=own)

    def existing(self, text: str, realm: str | None = None) -> Account:
        """Read the name of an account that is there; other programs make some that :meth:`parse` refuses."""
        try:
            return self.parse(text, realm)
        except NameRefusedError:
            bare = Account(text, realm or self.site.realm)
            named = (a for a in by_account(self.records()) if realm in (None, a.realm))
            found = [account for account in named if account == bare or str(account) == text]
            if len(found) != 1:
                raise
            return found[0]

    def shown(self, account: Account) -> str:
        """Return what to type in a shell: the bare name and no database where those mean the account."""
        name = quote(account.authcid if account.realm == self.site.realm else str(account))
        name = f"-- {name}" if name.startswith("-") else name
        return name if self.database == self.site.sasldb else f"{name} --database {quote(self.database)}"

    def add(
        self,
        account: Account,
        secret: Callable[[], Secret],
        *,
        form: Form = CLEAR,
        deliveries: Sequence["Delivery"] = (),
        allow_login_name: bool = False,
    ) -> Change:
        """Make a new account.

        Args:
            account: who.
            secret: the question for it.
            form: how it is stored.
            deliveries: where it goes first.
            allow_login_name: accept the name of a login of this host.
        """
        self.check_new(account, allow_login_name=allow_login_name)
        if warning := of_capitals((account,)):
            self.site.warn(warning)
        return self._set("sasl add", self._refuse, account, secret, form, deliveries)

    def tidy(self) -> None:
        """Remove what killed runs left beside the file, before anything is refused."""
        if not is_url(self.database) and exists(self.database):
            tidy(self.database)

    def check_new(self, account: Account, *, allow_login_name: bool = False) -> None:
        """Accept an account that may be made; see :meth:`add` for what is raised."""
        check_new_name(account)
        if not allow_login_name:
            refuse_login_name(self.site.root, account.authcid)
        self._refuse(self.records(), account)
        if not is_url(self.database) and is_directory(os.path.dirname(self.database)):
            resolve_to_write(self.database)

    def set_secret(
        self,
        account: Account,
        secret: Callable[[], Secret],
        *,
        form: Form | None = None,
        deliveries: Sequence["Delivery"] = (),
    ) -> Change:
        """Give an account a new secret. Every other property goes too: it would keep the old secret alive.

        ``form`` None keeps the form that the account has; see :func:`smtpcreds.accounts.stored.form_of`.
        """
        chosen = form or self.form(account)
        return self._set("sasl change", self._require, account, secret, chosen, deliveries)

    def delete(self, account: Account) -> Change:
        """Remove all properties of the account."""
        self.properties(account)

        def edits(records: Records) -> Edits:
            self._require(records, account)
            return replacement(records, account, {})

        self.writer()(edits)
        audit_to_syslog(self.site.warn, "sasl delete", [(str(account), self.database)])
        return Change(account, self.database)

    def listing(self) -> Listing:
        """Return all accounts, sorted by realm and name."""
        return listing(self.records())

    def entry(self, account: Account) -> Entry:
        """Return one account."""
        return Entry.of(account, self.properties(account))

    def form(self, account: Account) -> Form:
        """Return how the account's secret is stored."""
        return form_of(account, self.properties(account))

    def properties(self, account: Account) -> dict[str, bytes]:
        """Return all properties of one account, secrets among them.

        Raises:
            NoSuchAccountError: it is not in the database.
        """
        return self._require(self.records(), account)

    def holds(self, account: Account, values: Mapping[str, bytes]) -> bool | None:
        """Tell whether the database has these properties, after a change that failed; None: it can't be read.

        A change may be there all the same, where only its flush, or a copy of the file, failed.
        """
        self._loaded = None
        try:
            return properties(self.records(), account) == values
        except SmtpcredsError:
            return None

    def credential(self, account: Account) -> Credential:
        """Return the account with its secret.

        Raises:
            PasswordRefusedError: it is stored without clear text and can't be read back.
        """
        held = self.properties(account)
        if USER_PASSWORD not in held:
            raise PasswordRefusedError(
                str(account),
                "is stored without clear text; its secret can't be read back",
                f"give it another one: smtpcreds sasl passwd {self.shown(account)} --auth-info FILE",
            )
        return Credential(account, Secret(held[USER_PASSWORD]), self.site.realm)

    def records(self) -> Records:
        """Return all records; a database that was never made is empty."""
        if self._loaded is None:
            state = self._state()
            try:
                self._loaded = state, self._store().load()
            except MissingInputError:
                self._loaded = state, {}
        return self._loaded[1]

    def kind(self) -> str:
        """Return what the database is, or would be made as; see :func:`smtpcreds.sasldb.opening.kind_of`."""
        if self._found is not None and self._found.kind:
            return self._found.kind
        is_there = is_url(self.database) or exists(self.database)
        return kind_of(self.database, None if is_there else self._new or new_format(self.site))

    def writer(self) -> Callable[[Edit], None]:
        """Return what makes one change of the database, and the database if there is none."""
        is_new = self._found is None and not (is_url(self.database) or exists(self.database))
        kind, made = self._new or (new_format(self.site) if is_new else None), origin(self.site)
        copies = copies_of(self.site, self.database)

        def write(edit: Edit) -> None:
            is_there = self._found is not None and self._state() is not None
            store = self._store() if is_there else open_or_make(self.database, kind, made)
            apply_with(copies, store, edit)
            self._loaded = None

        return write

    def _state(self) -> object | None:
        try:
            return self._store().signature()
        except MissingInputError:
            return None

    def _store(self) -> Observed:
        """Return the store; the format of one that exists is looked at once."""
        if self._found is None:
            found = open_store(self.database)
            if not (is_url(self.database) or exists(self.database)):
                return found
            self._found = found
        return self._found

    def _set(
        self,
        what: str,
        check: Callable[[Records, Account], object],
        account: Account,
        secret: Callable[[], Secret],
        form: Form,
        deliveries: Sequence["Delivery"],
    ) -> Change:
        """Set the properties of one account: check, ask, check again what changed, deliver, write."""
        check(self.records(), account)
        write = self.writer()
        made = self.ask(secret)
        values = form.properties(account, made)
        refuse_misfits(self.kind(), (record(account, *prop) for prop in values.items()))
        if self._loaded and self._state() != self._loaded[0]:
            self._loaded = None
            check(self.records(), account)
        late = [one for one in deliveries if one.can_follow and form is CLEAR]
        first = [one for one in deliveries if one not in late]
        for delivery in first:
            delivery.deliver(made)

        def edits(records: Records) -> Edits:
            check(records, account)
            return replacement(records, account, values)

        try:
            write(edits)
        except SmtpcredsError:
            for delivery in first:
                if self.holds(account, values) is False:
                    delivery.undo()
            raise
        for delivery in late:
            self._deliver_late(delivery, account, made)
        audit_to_syslog(self.site.warn, what, [(str(account), self.database)])
        return Change(account, self.database, served(values), form, deliveries)

    def _deliver_late(self, delivery: "Delivery", account: Account, secret: Secret) -> None:
        try:
            delivery.deliver(secret)
        except SmtpcredsError as error:
            reason = f"{error.reason}; the account has the new secret, and this file the old one"
            to = f"--to {quote(delivery.target)} --force"
            raise type(error)(
                error.subject, reason, f"then: smtpcreds sasl auth-info {self.shown(account)} {to}"
            ) from error

    def check_absent(self, account: Account) -> None:
        """Refuse an account that exists."""
        self._refuse(self.records(), account)

    def _refuse(self, records: Records, account: Account) -> None:
        if properties(records, account):
            hint = f"smtpcreds sasl passwd {self.shown(account)}"
            raise ExistsError(str(account), "the account exists; its secret was not changed", hint)

    def _require(self, records: Records, account: Account) -> dict[str, bytes]:
        held = properties(records, account)
        if held:
            return held
        reason = f"no such account in {self.database}"
        raise NoSuchAccountError(str(account), reason, self._elsewhere(records, account))

    def _elsewhere(self, records: Records, account: Account) -> str:
        known = {found[0] for key in records if (found := unpack(key))}
        realms = sorted(a.realm for a in known if a.authcid == account.authcid)
        if realms:
            return f"there is {account.authcid}@{realms[0]}; give the realm"
        if near := nearest(account.authcid, sorted(a.authcid for a in known if a.realm == account.realm)):
            return f"did you mean {near}?"
        usual = self.database == self.site.sasldb
        return "smtpcreds sasl list" if usual else f"smtpcreds sasl list --database {quote(self.database)}"
