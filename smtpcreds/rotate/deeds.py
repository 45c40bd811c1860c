"""The steps themselves: intention first, deed, event, outcome; and what a killed run left.

The caller holds the lock of the state directory, and has called :func:`settle`.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from ..errors import SmtpcredsError
from ..inventory import Rotation, RotationState
from .desk import Desk
from .rules import Request, check_abandon, check_begin, check_retire, due, open_rotation

_VERB = "sasl rotate"


def begin(desk: Desk, request: Request) -> Rotation:
    """Make the successor and its file for client hosts; :func:`.rules.check_begin` says what is refused."""
    successor = check_begin(desk.rotations.unfinished(), desk.accounts(request.sasldb), request)
    intended = Rotation(
        request.account, successor, request.sasldb, request.clients, desk.clock(), request.retire_after
    )
    row = desk.rotations.begin(intended)
    desk.accounts(row.sasldb).add(successor)
    return _open(desk, row)


def postpone(desk: Desk, request: Request, retire_after: datetime) -> Rotation:
    """Say when the old account is to go."""
    row = open_rotation(desk.rotations.unfinished(), request.account, request.sasldb)
    desk.record(_VERB, str(row.account), f"to be retired after {retire_after:%Y-%m-%dT%H:%M:%SZ}")
    desk.rotations.postpone(row.id, retire_after)
    return replace(row, retire_after=retire_after)


def retire(desk: Desk, request: Request) -> Rotation:
    """Delete the old account; see :func:`.rules.check_retire` for what is refused."""
    return _retire(desk, open_rotation(desk.rotations.unfinished(), request.account, request.sasldb))


def retire_due(desk: Desk) -> Iterator[Rotation | SmtpcredsError]:
    """Retire every account whose date has come; one that can't go does not hold up the others."""
    for row in due(desk.rotations.unfinished(), desk.clock()):
        try:
            yield _retire(desk, row)
        except SmtpcredsError as error:
            yield error


def abandon(desk: Desk, request: Request) -> Rotation:
    """Delete the successor, and keep the account as it is."""
    row = open_rotation(desk.rotations.unfinished(), request.account, request.sasldb)
    check_abandon(desk.accounts(row.sasldb), row)
    desk.rotations.advance(row.id, RotationState.ABANDONING, desk.clock())
    return _abandon(desk, row)


def settle(desk: Desk) -> list[Rotation]:
    """Complete or give up what a killed run left, say so, and return what was settled.

    What can't be settled now is left for later.
    """
    settled = []
    for row in desk.rotations.unfinished():
        try:
            if step := _SETTLE.get(row.state):
                done, words = step(desk, row)
                desk.warn(f"{row.account}: {words}")
                settled.append(done)
        except SmtpcredsError as error:
            desk.warn(f"{row.account}: an interrupted rotation can't be completed yet: {error}")
    return settled


def _settle_begun(desk: Desk, row: Rotation) -> tuple[Rotation, str]:
    if desk.accounts(row.sasldb).exists(row.successor):
        return _open(
            desk, row
        ), f"an interrupted run left its successor {row.successor} unfinished; it is in place now"
    return _end(
        desk, row, RotationState.ABANDONED
    ), "an interrupted run had made no successor, so that was given up"


def _settle_retiring(desk: Desk, row: Rotation) -> tuple[Rotation, str]:
    return _finish(desk, row), "an interrupted run was retiring it; it is deleted now"


def _settle_abandoning(desk: Desk, row: Rotation) -> tuple[Rotation, str]:
    return _abandon(
        desk, row
    ), f"an interrupted run was removing its successor {row.successor}; it is deleted now"


_SETTLE = {
    RotationState.BEGUN: _settle_begun,
    RotationState.RETIRING: _settle_retiring,
    RotationState.ABANDONING: _settle_abandoning,
}


def _open(desk: Desk, row: Rotation) -> Rotation:
    desk.accounts(row.sasldb).hand_out(row.successor)
    desk.record(_VERB, str(row.account), f"successor {row.successor}")
    desk.rotations.advance(row.id, RotationState.OPEN, desk.clock())
    return replace(row, state=RotationState.OPEN)


def _retire(desk: Desk, row: Rotation) -> Rotation:
    check_retire(desk.accounts(row.sasldb), row)
    desk.rotations.advance(row.id, RotationState.RETIRING, desk.clock())
    return _finish(desk, row)


def _finish(desk: Desk, row: Rotation) -> Rotation:
    desk.accounts(row.sasldb).remove(row.account)
    return _end(desk, row, RotationState.RETIRED)


def _abandon(desk: Desk, row: Rotation) -> Rotation:
    desk.accounts(row.sasldb).remove(row.successor)
    return _end(desk, row, RotationState.ABANDONED)


def _end(desk: Desk, row: Rotation, state: RotationState) -> Rotation:
    now = desk.clock()
    gone = row.account if state is RotationState.RETIRED else row.successor
    desk.record(_VERB, str(row.account), f"{state} {gone}")
    desk.rotations.advance(row.id, state, now)
    return replace(row, state=state, ended=now)
