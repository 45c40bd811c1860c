"""From ``--password`` and ``--passphrase`` to secrets that are asked for only when they are needed."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..errors import PasswordRefusedError, UsageError
from ..lazy import dataclass
from ..secret import Secret
from . import lazy_click as click
from .session import Session, remember

if TYPE_CHECKING:
    from ..config import Site
    from ..model import Account
    from ..sources import Context, Source

passphrase_option = click.option(
    "--passphrase",
    metavar="SOURCE",
    help="Where the CA key's passphrase comes from; default: asked on a terminal.",
)


weak_option = click.option(
    "--allow-weak",
    is_flag=True,
    expose_value=False,
    callback=remember,
    help="Accept a weak new passphrase or password.",
)


def _strong(secret: Secret, what: str) -> Secret:
    """Refuse a chosen passphrase that is soon guessed, unless that was allowed."""
    from ..passwords import weakness

    fault = weakness(secret.reveal(), "", "")
    if fault and not Session.latest.allow_weak:
        raise PasswordRefusedError(what, fault, "choose a longer one, or accept this one: --allow-weak")
    return secret


def account_secret(
    source: str, what: str, site: "Site", account: "Account", *, allow_weak: bool
) -> Callable[[], Secret]:
    """Return the question for a new account secret; a chosen one is checked, a generated one is not."""
    from ..accounts.rules import check_chosen_secret
    from ..sources import Context, is_generated, parse_source, resolve

    parsed = parse_source(source)

    def ask() -> Secret:
        secret = resolve(parsed, Context(what, new=True))
        if not is_generated(parsed):
            check_chosen_secret(site.root, secret, account=None if allow_weak else account)
        return secret

    return ask


@dataclass(frozen=True, eq=False)
class CaPassphrase:
    """Where the passphrase of the CA key comes from: the option, else the configuration, else a person.

    ``source`` was parsed once, because a variable of the environment can be named once only. Called, it is
    the question for the passphrase that the key has; :attr:`pin` is that for the PIN of its token.
    """

    site: "Site"
    source: "Source | None"
    is_asked: bool
    pin_source: "Source | None" = None

    def __call__(self) -> Secret | None:
        """See :meth:`present`."""
        return self.present()

    def pin(self) -> Secret | None:
        """Return the PIN of the token that holds the key; None where nobody can be asked."""
        return _existing(self.pin_source, "PIN of the CA's token", "pin") if self.pin_source else None

    def new(self, *, none: bool) -> Secret | None:
        """Return the passphrase of a new key, or None for an unencrypted one.

        A person may answer with nothing. Where there is neither source nor person the key stays unencrypted:
        see :func:`warn_of_plain_key`.
        """
        from ..sources import Context, resolve

        if none or self.source is None:
            return None
        what = "passphrase of the CA key (empty for none)" if self.is_asked else "CA passphrase"
        found = resolve(self.source, Context(what, new=True, may_be_empty=self.is_asked))
        return _strong(found, "passphrase of the CA key") if found else None

    def present(self) -> Secret | None:
        """Return the passphrase that the key has; None where nobody can be asked."""
        return _existing(self.source, "passphrase of the CA key") if self.source else None


def ca_source(
    source: str | None, site: "Site", *, none: bool = False, pin: str | None = None
) -> CaPassphrase:
    """Parse ``--passphrase``, or the configured source; and that of a PIN, which ``--passphrase`` may be too.

    The configured passphrase is never tried as a PIN: a token locks after a few wrong ones.
    """
    from ..sources import parse_source

    if none and source:
        raise UsageError("--no-passphrase", "contradicts --passphrase; give one of them")
    chosen = source or site.settings.ca.passphrase or _terminal()
    parsed = parse_source(chosen) if chosen else None
    own = pin or site.settings.ca.pin or ("" if source else _terminal())
    pins = parse_source(own) if own else parsed if source else None
    return CaPassphrase(site, parsed, chosen == "prompt:", pins)


def new_ca_passphrase(source: str | None, site: "Site", *, none: bool) -> Callable[[], Secret | None]:
    """Return the question for the passphrase of a new CA key; see :meth:`CaPassphrase.new`."""
    asked = ca_source(source, site, none=none)
    return lambda: asked.new(none=none)


def warn_of_plain_key(site: "Site", passphrase: Secret | None, *, none: bool) -> None:
    """Warn that a new CA key is unencrypted where nobody has chosen that."""
    if passphrase is None and not none and not _terminal():
        site.warn(
            f"the CA key in {site.ca_directory} is not encrypted; to encrypt it: smtpcreds ca passphrase"
        )


def ca_passphrase(source: str | None, site: "Site", *, pin: str | None = None) -> CaPassphrase:
    """Return the questions for the passphrase of the CA key, and for the PIN of its token."""
    return ca_source(source, site, pin=pin)


def changed_ca_passphrase(source: str | None) -> Callable[[], Secret]:
    """Return the question for the passphrase that the CA key gets instead of the one it has."""
    from ..sources import Context, parse_source, resolve

    if not source and not _terminal():
        hint = "give --new-passphrase SOURCE, or --remove to store the key unencrypted"
        raise UsageError("--new-passphrase", "is needed where there is no terminal", hint)
    parsed = parse_source(source or "prompt:")
    what = "new passphrase of the CA key"
    return lambda: _strong(resolve(parsed, Context(what, new=True)), what)


@dataclass(frozen=True)
class ImportPassphrases:
    """The passphrases of an imported CA key: the one that it has, and the one that it gets."""

    given: "Source | None"
    kept: CaPassphrase
    none: bool

    def opening(self) -> Secret | None:
        """Return the passphrase under which the key is now; None where nobody can be asked."""
        source = self.given or self.kept.source
        return _existing(source, "passphrase of the CA key to import") if source else None

    def keeping(self, is_encrypted: bool) -> Callable[[], Secret | None] | None:
        """Return the question for the passphrase under which it is to be kept; None keeps the present one."""
        is_named = self.given and self.kept.source and not self.kept.is_asked
        return None if is_encrypted and not (is_named or self.none) else self._kept

    def _kept(self) -> Secret | None:
        return self.kept.new(none=self.none)


def import_passphrases(
    opening: str | None, kept: str | None, site: "Site", *, none: bool
) -> ImportPassphrases:
    """Parse both sources."""
    from ..sources import parse_source

    source = parse_source(opening) if opening else None
    return ImportPassphrases(source, ca_source(kept, site, none=none), none)


def role_password(source: str | None, role: str) -> Secret | None:
    """Return the password that a database role has already; None without a source."""
    from ..sources import Context, is_generated, parse_source, resolve

    if not source:
        return None
    parsed = parse_source(source)
    if is_generated(parsed):
        raise UsageError("--role-password", "a generated one is not that of the role", "file:PATH")
    return resolve(parsed, Context(f"password of the role {role}"))


def export_password(source: str | None, *, needed: bool, useful: bool) -> Callable[[], Secret | None]:
    """Return the question for the password of an exported key; it answers None where there is none.

    Args:
        source: of ``--password``.
        needed: the form can't do without; a terminal is asked where no source is given.
        useful: there is a key to protect.
    """
    from ..sources import Context, is_generated, parse_source, resolve

    if source and not useful:
        raise UsageError("--password", "has no key to protect", "--with-key")
    chosen = source or (_terminal() if needed else "")
    if needed and not chosen:
        raise UsageError("--password", "this form needs one", "--password SOURCE, as in file:PATH")
    parsed = parse_source(chosen) if chosen else None
    if parsed and is_generated(parsed):
        raise UsageError(
            "--password", "a generated one would be unknown to everybody", "--password file:PATH"
        )
    what = "password of the export"
    return lambda: _strong(resolve(parsed, Context(what, new=True)), what) if parsed else None


def bundle_passphrase(source: str | None, *, new: bool, of: str = "bundle") -> Callable[[], Secret]:
    """Return the question for the passphrase of an archive; without a source a terminal is asked.

    Args:
        source: of ``--passphrase``.
        new: it is being set, not given.
        of: what the archive is called.
    """
    from ..sources import Context, is_generated, parse_source, resolve

    chosen = source or _terminal()
    if not chosen:
        raise UsageError("--passphrase", f"is needed for the {of}", "--passphrase SOURCE, as in file:PATH")
    parsed = parse_source(chosen)
    if is_generated(parsed):
        raise UsageError(
            "--passphrase", "a generated one would be unknown to everybody", "--passphrase file:PATH"
        )
    what = f"passphrase of the {of}"
    context = Context(what, new=new)
    return lambda: _strong(resolve(parsed, context), what) if new else _opening(parsed, context)


def _existing(source: "Source", what: str, kind: str = "passphrase") -> Secret:
    """Return a passphrase that something has; a person who types a wrong one is asked again."""
    from ..files import disk
    from ..sources import Context, resolve

    context = Context(what)
    return resolve(source, context) if disk().is_preview else _opening(source, context, kind)


def _opening(source: "Source", context: "Context", kind: str = "passphrase") -> Secret:
    """Return what opens an archive; a dry run needs it too, since what it would do is in there."""
    from ..sources import Prompt

    if isinstance(source, Prompt):
        Session.latest.typed_by_person.add(kind)
    return source.read(context)


def _terminal() -> str:
    return "prompt:" if sys.stdin.isatty() else ""
