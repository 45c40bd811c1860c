"""The steps themselves: intention first, deed, event, outcome; and what a killed run left.

The caller holds the lock of the state directory, and has called :func:`settle`.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from ..errors import PasswordRefusedError, SmtpcredsError
from ..inventory import Rotation, RotationState
from .desk import Desk
from .rules import Request, check_abandon, check_begin, check_retire, due, open_rotation

_VERB = "sasl rotate"


def begin(desk: Desk, request: Request) -> Rotation:
    """Deliver the successor's secret and make it; :func:`.rules.check_begin` says what is refused.

    Raises:
        SmtpcredsError: a secret, a place for it or the database failed; then the rotation is given up.
    """
    accounts = desk.accounts(request.sasldb)
    addition = check_begin(desk.rotations.unfinished(), accounts, request)
    intended = Rotation(
        account=request.account,
        successor=addition.account,
        sasldb=request.sasldb,
        clients=request.clients,
        started=desk.clock(),
        retire_after=request.retire_after,
        places=addition.places,
    )
    row = desk.rotations.begin(intended)
    try:
        addition.plan.apply()
    except SmtpcredsError:
        with suppress(SmtpcredsError):
            if not accounts.exists(row.successor):
                _give_up(desk, row)
        raise
    return _open(desk, row)


def postpone(desk: Desk, request: Request, retire_after: datetime) -> Rotation:
    """Say when the old account is to go."""
    row = _wanted(desk, request)
    desk.record(_VERB, str(row.account), f"to be retired after {retire_after:%Y-%m-%dT%H:%M:%SZ}")
    desk.rotations.postpone(row.id, retire_after)
    return replace(row, retire_after=retire_after)


def retire(desk: Desk, request: Request) -> Rotation:
    """Delete the old account; see :func:`.rules.check_retire` for what is refused."""
    return _retire(desk, _wanted(desk, request))


def retire_due(desk: Desk) -> Iterator[Rotation | SmtpcredsError]:
    """Retire every account whose date has come; one that can't go does not hold up the others."""
    for row in due(desk.rotations.unfinished(), desk.clock()):
        try:
            yield _retire(desk, row)
        except SmtpcredsError as error:
            yield error


def abandon(desk: Desk, request: Request) -> Rotation:
    """Delete the successor, and keep the account as it is."""
    row = _wanted(desk, request)
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
    """The secret is delivered before the account is made, so one that was made has it delivered."""
    places = ", ".join(row.places)
    if not desk.accounts(row.sasldb).exists(row.successor):
        words = "an interrupted run had made no successor, so that was given up"
        left = f"; if {places} has a secret, it opens nothing" if places else ""
        return _give_up(desk, row), words + left
    if not places:
        _hand_out(desk, row)
    words = f"an interrupted run left its successor {row.successor} unfinished; it is in place now"
    return _open(desk, row), words + (f", its secret in {places}" if places else "")


def _hand_out(desk: Desk, row: Rotation) -> None:
    try:
        desk.accounts(row.sasldb).hand_out(row.successor)
    except PasswordRefusedError as error:
        desk.warn(f"{error}; {error.hint}")


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


def _wanted(desk: Desk, request: Request) -> Rotation:
    return open_rotation(desk.rotations.unfinished(), desk.accounts(request.sasldb), request)


def _open(desk: Desk, row: Rotation) -> Rotation:
    desk.record(_VERB, str(row.account), f"successor {row.successor}")
    desk.rotations.advance(row.id, RotationState.OPEN, desk.clock())
    return replace(row, state=RotationState.OPEN)


def _retire(desk: Desk, row: Rotation) -> Rotation:
    check_retire(desk.accounts(row.sasldb), row)
    desk.rotations.advance(row.id, RotationState.RETIRING, desk.clock())
    return _finish(desk, row)


def _finish(desk: Desk, row: Rotation) -> Rotation:
    accounts = desk.accounts(row.sasldb)
    accounts.remove(row.account)
    if accounts.is_file_spare(row.successor):
        accounts.withdraw(row.successor)
    return _end(desk, row, RotationState.RETIRED)


def _abandon(desk: Desk, row: Rotation) -> Rotation:
    desk.accounts(row.sasldb).remove(row.successor)
    return _end(desk, row, RotationState.ABANDONED)


def _give_up(desk: Desk, row: Rotation) -> Rotation:
    desk.accounts(row.sasldb).withdraw(row.successor)
    return _end(desk, row, RotationState.ABANDONED)


def _end(desk: Desk, row: Rotation, state: RotationState) -> Rotation:
    now = desk.clock()
    gone = row.account if state is RotationState.RETIRED else row.successor
    desk.record(_VERB, str(row.account), f"{state} {gone}")
    desk.rotations.advance(row.id, state, now)
    return replace(row, state=state, ended=now)
