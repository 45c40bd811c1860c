"""``smtpcreds sasl``: relay accounts."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from ..config import Site
from ..errors import DataError, SmtpcredsError, UsageError, number_of
from ..files import audit_to_syslog
from ..model import Account, Credential
from ..secret import Secret
from ..transaction import Transaction
from .arguments import FilePath, absolute

if TYPE_CHECKING:
    from ..accounts.bulk import Imported
    from ..accounts.convert import Conversion
    from ..accounts.database import AccountDatabase as Database
    from ..accounts.entries import Entry
    from ..accounts.rotation import Request
    from ..accounts.rows import Fault
    from ..accounts.stored import Form
    from ..accounts.verify import Verdict
    from ..inventory.rotations import Rotation

TO_PROGRAM = "to a program"
"""What authpriv is told of a secret that a caller was given."""


class AccountReader:
    """The accounts of one database; ``site.accounts`` is the configured one.

    A name is ``user`` or ``user@realm``; a bare one is in the relay's own realm.

    >>> import smtpcreds
    >>> site = smtpcreds.Site.load(root="/nonexistent")
    >>> site.accounts.names()
    []
    """

    def __init__(self, site: Site, database: str | None = None) -> None:
        self._site, self._database = site, database

    def _opened(self) -> "Database":
        from ..accounts.database import AccountDatabase

        return AccountDatabase(self._site, self._database)

    def names(self) -> list[str]:
        """Return all accounts as ``user@realm``, by realm and name."""
        return self._opened().listing().names

    def show(self, name: str) -> "Entry":
        """Return an account's properties and the mechanisms that it serves; no secret.

        Raises:
            NoSuchAccountError: there is no such account.
        """
        accounts = self._opened()
        return accounts.entry(accounts.existing(name))

    def credential(self, name: str) -> Credential:
        """Return an account with its secret; authpriv is told.

        Raises:
            NoSuchAccountError: there is no such account.
            PasswordRefusedError: it is stored without clear text.
        """
        accounts = self._opened()
        found = accounts.credential(accounts.existing(name))
        audit_to_syslog(self._site.warn, "sasl show --reveal", [(str(found.account), TO_PROGRAM)])
        return found

    def verify(self, name: str, secret: Secret, mechanisms: Sequence[str] = ()) -> "list[Verdict]":
        """Tell by mechanism whether a secret opens an account, asked of the records and of libsasl2.

        Args:
            name: of the account.
            secret: in question.
            mechanisms: default: all that the account serves.

        Raises:
            NoSuchAccountError: there is no such account.
        """
        from ..accounts.verify import verify

        accounts = self._opened()
        return verify(accounts, accounts.existing(name), secret, mechanisms)

    def auth_info(self, name: str, mechanisms: Sequence[str] = (), *, secret: Secret | None = None) -> bytes:
        """Return the lines of default-auth-info that let a client host relay: a secret; authpriv is told.

        Args:
            name: of the account.
            mechanisms: that the client may use; default: all.
            secret: of an account that is stored without clear text, where it was kept.

        Raises:
            NoSuchAccountError: there is no such account.
            PasswordRefusedError: it is stored without clear text, or the secret does not open it.
            InexpressibleError: the file can't hold the secret.
        """
        from ..mta.auth_info import render

        login = self._login(name, secret)
        content = render(login, tuple(mechanisms))
        audit_to_syslog(self._site.warn, "sasl auth-info", [(str(login.account), TO_PROGRAM)])
        return content

    def _login(self, name: str, secret: Secret | None) -> Credential:
        from ..accounts.auth_info import kept_credential, readable_credential

        accounts = self._opened()
        account = accounts.existing(name)
        return (
            kept_credential(accounts, account, secret) if secret else readable_credential(accounts, account)
        )

    def export(self, kind: str = "csv", *, reveal: bool = False) -> str:
        """Return all accounts as text.

        Args:
            kind: ``csv``, ``jsonl``, or with ``reveal`` also ``dovecot`` (a passwd-file).
            reveal: with their secrets, so that :meth:`AccountDatabase.import_file` makes the same of it;
                authpriv is told.
        """
        from ..accounts.export import plain_text, revealing_text, stored_accounts

        found = stored_accounts(self._opened())
        text = (revealing_text if reveal else plain_text)(found, kind)
        audit_to_syslog(
            self._site.warn, "sasl export --reveal", [(number_of(len(found), "account"), TO_PROGRAM)] * reveal
        )
        return text

    def conf(
        self,
        program: Literal["sendmail", "postfix", "exim"] = "sendmail",
        mechanisms: Sequence[str] = (),
        *,
        keytab: str = "",
        role: str | None = None,
        password: Secret | None = None,
    ) -> bytes:
        """Return the file that tells Cyrus SASL in a mail server where the accounts are.

        Args:
            program: the mail server.
            mechanisms: to offer; default: SCRAM-SHA-256, DIGEST-MD5, CRAM-MD5, PLAIN and LOGIN.
            keytab: of the mail server, which then takes Kerberos tickets, too.
            role: that reads PostgreSQL; default: the user that the server runs as.
            password: of that role, which makes the file a secret; authpriv is told.
        """
        from ..deploy.facts import backend_of
        from ..mta.sasl_conf import program_on, render

        backend = backend_of(
            self._site, self._database, role or program_on(self._site.system, program).user, password
        )
        audit_to_syslog(self._site.warn, "sasl conf", [(program, TO_PROGRAM)] * bool(password))
        return render(backend, tuple(mechanisms), keytab)

    def rotations(self) -> "list[Rotation]":
        """Return the replacements that are half-way, of every database."""
        from ..accounts.rotation import unfinished

        return unfinished(self._site)


class AccountDatabase(AccountReader):
    """One database, to be changed; ``work.accounts`` is the configured one, ``work.database(...)`` another.

    A chosen secret is refused if it is soon guessed, unless ``allow_weak``, and if it is that of a login of
    this host.
    """

    def __init__(self, work: Transaction, database: str | None = None) -> None:
        super().__init__(work.site, database)
        self._work = work

    def _opened(self) -> "Database":
        return self._work.accounts(self._database)

    def add(
        self,
        name: str,
        secret: Secret | None = None,
        *,
        hashed: bool = False,
        allow_login_name: bool = False,
        allow_weak: bool = False,
    ) -> Account:
        """Make a relay account.

        Args:
            name: ``user`` or ``user@realm``.
            secret: None makes a strong one.
            hashed: store verifiers only, so the secret has to be given.
            allow_login_name: accept the name of a login of this host.
            allow_weak: accept a secret that is soon guessed.

        Raises:
            ExistsError: the account is there already.
            NameRefusedError: the name is a login of this host.
            PasswordRefusedError: the secret is.
        """
        from ..accounts.stored import CLEAR, Hashed

        accounts, form = self._opened(), Hashed() if hashed else CLEAR
        account = accounts.parse(name)
        question = new_secret(self._site, account, secret, form, allow_weak=allow_weak)
        accounts.add(account, question, form=form, allow_login_name=allow_login_name)
        return account

    def set_secret(
        self, name: str, secret: Secret | None = None, *, hashed: bool | None = None, allow_weak: bool = False
    ) -> Account:
        """Give an account another secret, at once; its file for client hosts, if there is one, follows.

        Args:
            name: of the account.
            secret: None makes a strong one; a hashed account without that file has to be given one.
            hashed: how it is stored from now on; None keeps what the account has.
            allow_weak: accept a secret that is soon guessed.

        Raises:
            NoSuchAccountError: there is no such account.
        """
        from ..accounts.auth_info import to_client_file
        from ..accounts.stored import CLEAR, Hashed
        from ..deploy.outdated import record_new_secrets

        accounts = self._opened()
        account = accounts.existing(name)
        form = accounts.form(account) if hashed is None else Hashed() if hashed else CLEAR
        places = to_client_file(accounts, account)
        lost = None if places else form
        question = new_secret(self._site, account, secret, lost, allow_weak=allow_weak)
        accounts.set_secret(account, question, form=form, deliveries=places)
        record_new_secrets(self._work, accounts, [account])
        return account

    def delete(self, name: str) -> None:
        """Remove an account and its file for client hosts; a replacement that it is part of ends.

        Raises:
            NoSuchAccountError: there is no such account, or the other one of the replacement is gone.
        """
        from ..accounts.rotation import delete
        from ..deploy.outdated import record_new_secrets

        accounts = self._opened()
        account = accounts.existing(name)
        delete(self._work, accounts, account)
        record_new_secrets(self._work, accounts, [account])

    def write_auth_info(
        self,
        name: str,
        path: FilePath,
        mechanisms: Sequence[str] = (),
        *,
        secret: Secret | None = None,
        force: bool = False,
    ) -> bool:
        """Write what :meth:`auth_info` returns, mode 0600; tell whether it was not there already.

        Raises:
            ExistsError: the file has other credentials, and ``force`` is not given.
        """
        from ..accounts.auth_info import write_auth_info

        login, place = self._login(name, secret), absolute(path)
        changed = write_auth_info(login, place, tuple(mechanisms), force=force)
        audit_to_syslog(self._site.warn, "sasl auth-info", [(str(login.account), f"to {place}")] * changed)
        return changed

    def rotate(
        self,
        name: str,
        secret: Secret | None = None,
        *,
        successor: str | None = None,
        clients: Sequence[str] = (),
        retire_after: datetime | None = None,
        allow_weak: bool = False,
    ) -> "Rotation":
        """Make a successor of an account, stored as that is; both work until :meth:`retire`.

        Its secret lies in a file for client hosts below the state directory.

        Args:
            name: of the account.
            secret: of the successor; None makes a strong one.
            successor: its name; default: ``NAME-2``, or the next number.
            clients: hosts that need the new secret.
            retire_after: when :meth:`retire_due` is to end the old account; aware.
            allow_weak: accept a secret that is soon guessed.

        Raises:
            NoSuchAccountError: there is no such account.
            ExistsError: it is being replaced already.
        """
        from ..accounts.rotation import begin, request

        account = self._opened().parse(name)
        wanted = request(self._site, account, self._database, successor, tuple(clients), retire_after)
        question = new_secret(self._site, account, secret, None, allow_weak=allow_weak)
        return begin(self._work, wanted, question, is_chosen=secret is not None)

    def retire(self, name: str, *, after: datetime | None = None, force: bool = False) -> "Rotation":
        """Delete an account that has a successor, at once or, by :meth:`retire_due`, ``after`` a time.

        Args:
            name: of the account.
            after: aware.
            force: even if the last bundle of a client host has it.

        Raises:
            MissingInputError: it is not being replaced.
            NoSuchAccountError: it, or its successor, is gone.
            DeniedError: the last bundle of a client host has it.
        """
        from functools import partial

        from ..accounts.rotation import postpone, retire
        from ..upkeep import verify_unused

        wanted = self._wanted(name)
        if after:
            return postpone(self._work, wanted, after)
        return retire(self._work, wanted, None if force else partial(verify_unused, self._work))

    def abandon(self, name: str) -> "Rotation":
        """Delete the successor of an account, and keep the account.

        Raises:
            MissingInputError: it is not being replaced.
        """
        from ..accounts.rotation import abandon

        return abandon(self._work, self._wanted(name))

    def retire_due(self) -> "list[Rotation | SmtpcredsError]":
        """Retire every account whose time has come, in any database; one that can't go is an error."""
        from ..accounts.rotation import retire_due

        return retire_due(self._work)

    def import_file(
        self,
        source: str,
        kind: str | None = None,
        *,
        realm: str | None = None,
        header: bool | None = None,
        columns: Sequence[str] = (),
        on_conflict: Literal["fail", "skip", "replace"] = "fail",
        skip_bad: bool = False,
        check_logins: bool = False,
        allow_login_names: bool = False,
        allow_odd_names: bool = False,
    ) -> "Imported":
        """Import the accounts of a file, or of a database in PostgreSQL, all of them or none.

        Args:
            source: path or URL.
            kind: ``csv``, ``semicolon``, ``tab``, ``colon``, ``jsonl``, ``ldif``, ``dump``, ``sasldb``,
                ``auth-info``, ``authinfo``, ``dovecot`` or ``postfix``; default: told from the content.
            realm: of bare names; default: the relay's own.
            header: whether line 1 of a table names the columns; default: told from the content.
            columns: of a table: ``user``, ``password``, ``realm``, ``PROPERTY:base64``, or ``-``.
            on_conflict: what becomes of accounts that exist with other content.
            skip_bad: import the rest where some are refused; the result names those.
            check_logins: try each secret on this host's logins, about 20 ms for each of these.
            allow_login_names: accept names of logins of this host.
            allow_odd_names: accept names and secrets that look like text of another kind.

        Raises:
            DataError: some are refused, or the file is of no known kind.
        """
        from ..accounts.bulk import OnConflict, Rules, accounts_of, import_accounts, take_in
        from ..accounts.database import place_of
        from ..accounts.table import Layout, parse_columns
        from ..deploy.outdated import record_new_secrets

        def refuse(faults: "tuple[Fault, ...]") -> None:
            if not skip_bad:
                more = f"; and {len(faults) - 1} more refused" if len(faults) > 1 else ""
                raise DataError(source, f"{faults[0].where}: {faults[0].reason}{more}; nothing was imported")

        layout = Layout(header, parse_columns(",".join(columns)) if columns else ())
        found, accounts = accounts_of(place_of(source), kind, layout), self._opened()
        rules = Rules(realm, check_logins, allow_login_names, allow_odd_names, found.is_exact, found.is_table)
        intake = take_in(accounts, found.rows, rules, found.lines)
        done = import_accounts(accounts, intake, OnConflict(on_conflict), refuse)
        record_new_secrets(self._work, accounts, done.replaced)
        return done

    def convert(self, target: str, kind: str | None = None, *, force: bool = False) -> "Conversion":
        """Write the accounts to a new file, or to PostgreSQL, and compare every record.

        Args:
            target: path or URL.
            kind: ``bdb``, ``gdbm`` or ``lmdb`` for a path; a URL needs none.
            force: replace all records of an existing database of that kind.

        Raises:
            ExistsError: there is such a database.
            InexpressibleError: the target can't hold an account; nothing was written.
        """
        from ..accounts.convert import ConversionRequest, convert, kind_of_target
        from ..accounts.database import origin, place_of

        def refuse(misfits: Sequence[SmtpcredsError]) -> None:
            raise misfits[0]

        place, source = place_of(target), self._opened().database
        wish = ConversionRequest(source, place, kind_of_target(place, kind), origin(self._site), force)
        return convert(wish, self._work.warn, refuse)

    def _wanted(self, name: str) -> "Request":
        from ..accounts.rotation import request

        return request(self._site, self._opened().parse(name), self._database)


def new_secret(
    site: Site, account: Account, secret: Secret | None, form: "Form | None", *, allow_weak: bool
) -> Callable[[], Secret]:
    """Return the question for a new secret: a chosen one is checked, a made one must be readable later.

    ``form`` None: the secret is handed out, however it is stored.
    """
    from ..accounts.rules import check_chosen_secret
    from ..accounts.stored import Hashed
    from ..passwords import generate

    if secret is None:
        if isinstance(form, Hashed):
            reason = "is stored hashed, and a secret that is generated here would be unknown to everybody"
            raise UsageError(str(account), reason, "give one")
        return generate
    check_chosen_secret(site.root, secret, account=None if allow_weak else account)
    return lambda: secret
