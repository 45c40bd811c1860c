"""One plan for a whole hub."""

import os
from dataclasses import dataclass

from ..authority.ca import has_authority
from ..authority.ledger import at_work
from ..files import ensure_directory, exclusive, sweep
from ..model import Plan
from .hub import Hub, Secrets
from .parts import Piece, pieces


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a hub: what it is, where it lies, and whether this run made it."""

    what: str
    path: str
    made: bool


def plan_hub(wanted: Hub, secrets: Secrets, *, allow_login_name: bool = False) -> Plan[list[Part]]:
    """Plan what is missing; the plan of a finished hub is empty, and applying it changes nothing.

    All that can be refused is refused before the first file is written: what is there is looked at now, and
    applying the plan begins with the questions.
    """

    def look() -> list[Piece]:
        return pieces(wanted, secrets, allow_login_name=allow_login_name)

    def apply() -> list[Part]:
        for piece in planned:
            if piece.steps:
                piece.ask()
        ensure_directory(wanted.site.state)
        with exclusive(f"{wanted.site.state}/setup.lock"):
            _tidy(wanted)
            return [_carry_out(piece) for piece in look()]

    planned = look()
    steps = tuple(step for piece in planned for step in piece.steps)
    return Plan(steps, apply if steps else lambda: [Part(piece.what, piece.path, False) for piece in planned])


def _tidy(wanted: Hub) -> None:
    """Remove and settle what a killed run left."""
    for path in (wanted.auth_info, wanted.site.settings_path):
        sweep(os.path.dirname(path))
    if has_authority(wanted.site):
        with at_work(wanted.site):
            pass


def _carry_out(piece: Piece) -> Part:
    if piece.steps:
        piece.make()
    return Part(piece.what, piece.path, bool(piece.steps))
