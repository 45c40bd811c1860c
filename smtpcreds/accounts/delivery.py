"""Where a secret that can't be read back goes before it opens anything."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ExistsError, MissingInputError
from ..files import check_parents, disk, exists, sweep_target, write_new
from ..model import Artifact
from ..secret import Secret
from ..sources import Context, store_in_keyring
from ..sources.system_keyring import KeyringEntry


@dataclass(frozen=True, slots=True)
class Delivery:
    """One place for a new secret.

    ``deliver`` runs before the database changes: a run killed in between leaves a secret too many, which
    opens nothing, and never an account whose secret nobody has. It raises rather than lose anything.

    Attributes:
        target: a path, or what the place is called; empty for standard output.
        place: by which it is found again: the path of a default-auth-info, else a source of the secret,
            as ``keyring:SERVICE/NAME``; empty where nobody named one.
    """

    deliver: Callable[[Secret], object]
    target: str = ""
    place: str = ""

    @property
    def is_print(self) -> bool:
        """Tell whether a person reads the secret."""
        return not self.target

    @property
    def is_auth_info(self) -> bool:
        """Tell whether it is a default-auth-info."""
        return os.path.isabs(self.target) and not self.place.startswith("file:")


def to_file(path: str) -> Delivery:
    """Keep the secret in a new file of mode 0600, with a final line feed, as ``file:PATH`` reads it.

    Raises:
        ExistsError: something is there; it is never replaced.
        UnsafePathError: others can change a directory above it.
        MissingInputError: there is no such directory.
    """
    taken = ExistsError(
        path,
        "is there already and was left alone",
        f"name another file, or make its content the secret: --password file:{path}",
    )

    def refuse() -> None:
        sweep_target(path)
        if exists(path):
            raise taken
        check_parents(path)

    def deliver(secret: Secret) -> None:
        refuse()
        try:
            write_new(Artifact(path, secret.reveal() + b"\n", 0o600, note="the secret"))
        except ExistsError:
            raise taken from None

    refuse()
    return Delivery(deliver, path, f"file:{path}")


def to_keyring(entry: KeyringEntry, replaceable: Callable[[Secret], bool]) -> Delivery:
    """Keep the secret in the keyring.

    Args:
        entry: service and name.
        replaceable: tells whether what the entry holds now may be lost: the account's secret so far may,
            the passphrase of something else may not.
    """

    def deliver(secret: Secret) -> None:
        found = None if disk().is_preview else _found(entry)  # to read it may ask a person
        if found is not None and not replaceable(found):
            hint = (
                f"keyring del {entry.service} {entry.name}, or make it the secret: --password {entry.subject}"
            )
            raise ExistsError(entry.subject, "holds another secret and was left alone", hint)
        store_in_keyring(entry.service, entry.name, secret)

    return Delivery(deliver, entry.subject, entry.subject)


def _found(entry: KeyringEntry) -> Secret | None:
    try:
        return entry.read(Context("entry of the keyring"))
    except MissingInputError:
        return None
