"""Where a bundle goes: a closed file, or an open descriptor; encrypted on the way, or not."""

from collections.abc import Callable
from dataclasses import dataclass

from ..authority.target import verify_target
from ..files import check_parents, write_all
from ..model import Artifact, Step


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where the archive goes.

    Attributes:
        step: for the plan.
        prepare: asks for secrets, and refuses what can be refused, before the first change.
        deliver: encrypts and writes.
    """

    step: Step
    prepare: Callable[[], object]
    deliver: Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Seal:
    """How an archive is encrypted.

    Attributes:
        prepare: asks for the passphrase.
        seal: encrypts.
    """

    prepare: Callable[[], object] = lambda: None
    seal: Callable[[bytes], bytes] = bytes


def to_file(path: str, seal: Seal, *, force: bool) -> Delivery:
    """Write a file of mode 0600, whole or not at all.

    Raises:
        ExistsError: there is one, and ``force`` is not given.
        UnsafePathError: others can change a directory above it, or a link stands there.
        MissingInputError: there is no such directory.
    """

    def refuse() -> None:
        verify_target(path, force=force)
        check_parents(path)

    def prepare() -> None:
        refuse()
        seal.prepare()

    refuse()
    return Delivery(
        Step("write", path, 0o600), prepare, lambda data: write_all([Artifact(path, seal.seal(data))])
    )


def to_stream(write: Callable[[bytes], object], seal: Seal) -> Delivery:
    """Hand the archive to a function that writes it to standard output."""
    return Delivery(Step("write", "standard output"), seal.prepare, lambda data: write(seal.seal(data)))
