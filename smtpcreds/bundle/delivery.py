"""Where a bundle goes: a closed file, or an open descriptor; encrypted on the way, or not."""

from collections.abc import Callable
from dataclasses import dataclass

from ..authority.target import verify_target
from ..files import check_parents, disk, sweep_target, write_all
from ..model import Artifact
from ..secret import Secret
from ..transaction import Transaction
from . import sealing


@dataclass(frozen=True, slots=True)
class Seal:
    """How an archive is encrypted: under a passphrase, for keys, or not at all.

    Attributes:
        passphrase: the question for it.
        recipients: public keys of age or SSH.
    """

    passphrase: Callable[[], Secret] | None = None
    recipients: tuple[str, ...] = ()

    def prepare(self, work: Transaction) -> None:
        """Ask for the passphrase.

        Raises:
            PasswordRefusedError: an empty one, or one that nobody can type.
        """
        if self.passphrase:
            sealing.check_passphrase(work.ask(self.passphrase))

    def close(self, work: Transaction, data: bytes) -> bytes:
        """Return the archive as it is handed over; a preview spares itself the second that scrypt takes."""
        if work.is_preview:
            return data
        if self.passphrase:
            return sealing.seal_by_passphrase(data, work.ask(self.passphrase))
        return sealing.seal_to(data, self.recipients) if self.recipients else data


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where the archive goes.

    Attributes:
        seal: how it is encrypted.
        path: absolute, of a file; None is standard output.
        force: replace that file.
        write: hands the archive to standard output.
    """

    seal: Seal
    path: str | None = None
    force: bool = False
    write: Callable[[bytes], object] | None = None

    def prepare(self, work: Transaction) -> None:
        """Refuse what can be refused, and ask for secrets, before the first change.

        Raises:
            ExistsError: there is such a file, and ``force`` is not given.
            UnsafePathError: others can change a directory above it, or a link stands there.
            MissingInputError: there is no such directory.
        """
        if self.path:
            verify_target(self.path, force=self.force)
            check_parents(self.path)
        self.seal.prepare(work)

    def deliver(self, work: Transaction, data: bytes, note: str) -> None:
        """Encrypt and write the archive: a file of mode 0600, whole or not at all."""
        closed = self.seal.close(work, data)
        if self.path:
            sweep_target(self.path)
            write_all([Artifact(self.path, closed, note=note)])
            return
        disk().note("write", "standard output", note=note)
        if self.write and not work.is_preview:
            self.write(closed)
