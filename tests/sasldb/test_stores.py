"""Each format keeps the contract, judged by its own library."""

from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest
from place import TOP

from smtpcreds import config_values
from smtpcreds.cli import sasl
from smtpcreds.sasldb.detect import Format

from . import peers
from .contract import LOOK_UP, ROUNDS, StoreContract

READER = """
import sys
from pathlib import Path
path, key = Path(sys.argv[1]), bytes.fromhex(sys.argv[2])
{look}
{LOOK_UP}
"""


class TestBerkeleyDB(StoreContract):
    format = Format.BDB
    lookups = max(20_000, ROUNDS * 34)

    def foreign_records(self, path: Path) -> dict[bytes, bytes]:
        peers.db_verify(path)
        found = peers.db_dump(path)
        with peers.libdb(path) as db:
            assert {key: db.get(key) for key in found} == found
        return found

    def foreign_edit(self, path: Path, edits: dict[bytes, bytes | None]) -> None:
        with peers.libdb(path, write=True) as db:
            for key, value in edits.items():
                if value is None:
                    db.delete(key)
                else:
                    db.put(key, value)

    def reader(self) -> str:
        look = (
            f"import sys; sys.path.append({str(TOP)!r})\n"
            "from tests.sasldb import peers\n"
            "def look():\n    with peers.libdb(path) as db: return db.get(key)"
        )
        return READER.format(look=look, LOOK_UP=LOOK_UP)


class TestGdbm(StoreContract):
    format = Format.GDBM
    python = peers.SYSTEM_PYTHON

    @pytest.fixture(autouse=True)
    def _library(self) -> Iterator[None]:
        with peers.Libgdbm() as self.libgdbm:
            yield

    def foreign_records(self, path: Path) -> dict[bytes, bytes]:
        return self.libgdbm(path, {})

    def foreign_edit(self, path: Path, edits: dict[bytes, bytes | None]) -> None:
        self.libgdbm(path, edits)

    def reader(self) -> str:
        look = "import dbm.gnu\ndef look():\n    with dbm.gnu.open(str(path), 'r') as db: return db[key]"
        return READER.format(look=look, LOOK_UP=LOOK_UP)


class TestLmdb(StoreContract):
    format = Format.LMDB
    lookups = 1_000_000

    def foreign_records(self, path: Path) -> dict[bytes, bytes]:
        found = peers.mdb_dump(path)
        with lmdb.open(str(path), subdir=False, readonly=True) as env, env.begin() as txn:
            assert {key: txn.get(key) for key in found} == found
        return found

    def foreign_edit(self, path: Path, edits: dict[bytes, bytes | None]) -> None:
        with lmdb.open(str(path), subdir=False, map_size=1 << 24) as env, env.begin(write=True) as txn:
            for key, value in edits.items():
                _ = txn.delete(key) if value is None else txn.put(key, value)

    def reader(self) -> str:
        look = (
            "import lmdb\n"
            "env = lmdb.open(str(path), subdir=False, readonly=True)\n"
            "def look():\n    with env.begin() as txn: return txn.get(key)"
        )
        return READER.format(look=look, LOOK_UP=LOOK_UP)


def test_each_format_keeps_the_contract_and_can_be_chosen() -> None:
    assert {kept.format for kept in StoreContract.__subclasses__()} == set(Format)
    assert tuple(Format) == config_values.FORMATS == sasl.FORMATS
