"""Our edits and saslpasswd2's in turn, listed by sasldblistusers2: always the accounts of a dict."""

import os
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from smtpcreds.model import Account
from smtpcreds.sasldb import records
from smtpcreds.sasldb.detect import Format
from smtpcreds.sasldb.opening import open_store

from . import peers
from .contract import ROUNDS

names = st.sampled_from(["maildroid", "mail", "maildroid2", "élève", "a b", "x" * 200])
realms = st.sampled_from(["dmzmail.polkatistas.org", "r"])
passwords = st.none() | st.binary(min_size=1, max_size=2000).filter(
    lambda text: b"\0" not in text and not text.endswith(b"\n")
)
steps = st.lists(st.tuples(st.booleans(), names, realms, passwords), min_size=1, max_size=14)


@given(steps)
@settings(max_examples=max(10, ROUNDS // 10), deadline=None)
def test_accounts_are_a_dict_whoever_writes(sequence: list[tuple[bool, str, str, bytes | None]]) -> None:
    model: dict[Account, bytes] = {}
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        path = Path(directory) / "sasldb2"
        store = open_store(str(path), new=Format.BDB)
        for ours, name, realm, password in sequence:
            account = Account(name, realm)
            if ours:
                values = {} if password is None else {records.USER_PASSWORD: password}
                store.apply(lambda found, a=account, v=values: records.replacement(found, a, v))  # type: ignore[misc]
            else:
                peers.saslpasswd(path, name, realm, password)
            if path.exists():
                os.utime(path, (1, 1))
            model.pop(account, None)
            if password is not None:
                model[account] = password
        if path.exists():
            found = records.by_account(store.load())
            assert found == {account: {records.USER_PASSWORD: value} for account, value in model.items()}
            assert peers.listed(path) == sorted(f"{account}: userPassword" for account in model)
            peers.db_verify(path)
        else:
            assert not model


def test_saslpasswd2_finds_our_file_ready_for_any_number_of_accounts(tmp_path: Path) -> None:
    path = tmp_path / "sasldb2"
    store = open_store(str(path), new=Format.BDB)
    edits = {records.pack(Account(f"u{n}", "r"), "userPassword"): b"secret%d" % n for n in range(500)}
    store.apply(lambda _: edits)
    for number in range(20):
        peers.saslpasswd(path, f"new{number}", "r", b"p" * 200)
        edits[records.pack(Account(f"new{number}", "r"), "userPassword")] = b"p" * 200
    assert store.load() == edits
    peers.db_verify(path)
