"""Each format keeps the contract, judged by its own library."""

from pathlib import Path

import lmdb

from smtpcreds.sasldb.detect import Format

from . import peers
from .contract import StoreContract

READER = """
import select, sys, time
from pathlib import Path
path, key = Path(sys.argv[1]), bytes.fromhex(sys.argv[2])
{look}
print('ready', flush=True)
counts = [0, 0]
while not select.select([sys.stdin], [], [], 0)[0]:
    counts[look() != b'secret'] += 1
print(*counts)
"""


class TestBerkeleyDB(StoreContract):
    format = Format.BDB

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
            "from tests.sasldb import peers\n"
            "def look():\n    with peers.libdb(path) as db: return db.get(key)"
        )
        return READER.format(look=look)


class TestGdbm(StoreContract):
    format = Format.GDBM

    def foreign_records(self, path: Path) -> dict[bytes, bytes]:
        return peers.gdbm(path)

    def foreign_edit(self, path: Path, edits: dict[bytes, bytes | None]) -> None:
        peers.gdbm(path, edits)

    def reader(self) -> str:
        """Python's dbm.gnu is not in every build: libgdbm's shell answers."""
        look = (
            "import subprocess\n"
            "def look():\n"
            "    done = subprocess.run(['gdbm_dump', '-H', 'ascii', str(path)], capture_output=True)\n"
            "    return b'secret' if b'c2VjcmV0' in done.stdout else done.stderr"
        )
        return READER.format(look=look)


class TestLmdb(StoreContract):
    format = Format.LMDB

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
        return READER.format(look=look)
