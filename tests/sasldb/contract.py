"""What every store does, as tests that each format inherits."""

import os
import random
import stat
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

import pytest

from smtpcreds.errors import DamagedFileError, ForeignFormatError, MissingInputError, SmtpcredsError
from smtpcreds.model import Account, Owner
from smtpcreds.sasldb import records
from smtpcreds.sasldb.detect import Format
from smtpcreds.sasldb.opening import format_at, open_store
from smtpcreds.sasldb.replace import NewFile
from smtpcreds.sasldb.store import Store

P = TypeVar("P")
ROUNDS = int(os.environ.get("SMTPCREDS_TEST_ROUNDS", "30"))
"""What the length of random sequences depends on. With 3000 also the slowest are thousands of rounds long,
and every real reader looks an account up a hundred thousand times."""
TELLING = 20
"""Octets of a value that are nowhere by chance."""
MAILDROID = Account("maildroid", "dmzmail.polkatistas.org")
KEY = records.pack(MAILDROID, records.USER_PASSWORD)

ADD_FIFTY = """
import sys
from smtpcreds.sasldb.opening import open_store
path, who = sys.argv[1:]
store = open_store(path, timeout=600)
print('ready', flush=True); sys.stdin.readline()
for n in range(50):
    store.apply(lambda _: {b'%s%d\\0r\\0userPassword' % (who.encode(), n): b'secret'})
"""


ENOUGH = 11
"""So many rewrites at least happen while a reader looks an account up."""
LOOK_UP = """
import sys, threading
written = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), written.set()), daemon=True).start()
print('ready', flush=True)
counts = [0, 0]
while sum(counts) < int(sys.argv[3]) or not written.is_set():
    counts[look() != b'secret'] += 1
print(*counts)
"""
"""The end of a reader, whose beginning defines ``look()``: it looks up as often as the third argument says,
and on until its standard input ends; then it prints how many answers were right and wrong."""


def set_password(store: Store, account: Account, password: bytes | None) -> None:
    values = {} if password is None else {records.USER_PASSWORD: password}
    store.apply(lambda found: records.replacement(found, account, values))


class RecordContract(Generic[P]):
    """What keeps records: give a fixture ``place``, and say how a real program reads and edits it.

    Attributes:
        rounds: length of the sequence of random edits.
        lookups: by the real reader.
        python: which runs the real reader.
    """

    rounds = ROUNDS
    lookups = max(1000, ROUNDS * 34)
    python = sys.executable

    def foreign_records(self, place: P) -> dict[bytes, bytes]:
        """Return all records, each found through the format's own library."""
        raise NotImplementedError

    def foreign_edit(self, place: P, edits: dict[bytes, bytes | None]) -> None:
        """Change records with the format's own library."""
        raise NotImplementedError

    def reader(self) -> str:
        """Return Python text that ends with `LOOK_UP`.

        Its arguments are the place, a key (hex) and how many times at least; ``look()`` looks the key up,
        opening the place as Cyrus SASL does.
        """
        raise NotImplementedError

    def settle(self, place: P, round_: int) -> None:
        """Let an edit become old, so that nobody waits for the clock to tick."""

    def content(self, place: P) -> bytes:
        """Return the bytes of the file, if there is one."""
        return b""

    def value(self, dice: random.Random) -> bytes:
        """Return a value that the format can hold."""
        return dice.randbytes(dice.choices((1, 20, 400, 1500, 5000), (20, 60, 10, 5, 5))[0])

    def open(self, place: P) -> Store:
        return open_store(str(place))

    def test_nothing_can_t_be_read_and_is_not_made_for_nothing(self, place: P) -> None:
        store = self.open(place)
        assert store.signature() is None
        with pytest.raises(MissingInputError):
            store.load()

    def test_edits_without_effect_change_nothing(self, place: P) -> None:
        store = self.open(place)
        set_password(store, MAILDROID, b"secret")
        before = store.signature()
        assert store.apply(lambda _: {KEY: b"secret", b"none": None}) == {}
        assert store.signature() == before != None  # noqa: E711
        set_password(store, MAILDROID, b"other")
        assert store.signature() != before

    def test_it_becomes_empty_and_full_again(self, place: P) -> None:
        store = self.open(place)
        for password in (b"one", None, b"two"):
            set_password(store, MAILDROID, password)
            assert self.foreign_records(place) == store.load() == ({KEY: password} if password else {})

    def test_a_failing_change_changes_nothing(self, place: P) -> None:
        store = self.open(place)
        set_password(store, MAILDROID, b"secret")
        before = store.signature()

        def fail(_: object) -> dict[bytes, bytes | None]:
            raise RuntimeError

        with pytest.raises(RuntimeError):
            store.apply(fail)
        assert store.signature() == before
        assert self.foreign_records(place) == {KEY: b"secret"}

    def test_two_processes_lose_nothing(self, place: P) -> None:
        set_password(self.open(place), MAILDROID, b"secret")
        with open(os.devnull, "rb"):
            pair = [self.start(place, who) for who in "ab"]
        for process in pair:
            assert process.communicate(timeout=600)[0] is not None
            assert process.returncode == 0
        assert len(self.open(place).load()) == 101
        assert len(self.foreign_records(place)) == 101

    def start(self, place: P, who: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-c", ADD_FIFTY, str(place), who],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "ready\n"
        process.stdin.write("go\n")
        process.stdin.flush()
        return process

    def test_it_is_a_dict_whoever_writes(self, place: P) -> None:
        """Random edits by us and by the format's own library in turn, against a dict.

        And whatever the library leaves of old values is gone with our next change.
        """
        dice = random.Random(type(self).__name__)
        store, model = self.open(place), {KEY: b"secret"}
        gone: deque[bytes] = deque(maxlen=15)
        store.apply(lambda _: dict(model))
        for round_ in range(self.rounds):
            edits: dict[bytes, bytes | None] = {}
            for _ in range(dice.choice((1, 1, 3, 10, 30))):
                key = b"user%d\0r\0%s" % (dice.randrange(80), dice.choice((b"userPassword", b"x")))
                edits[key] = self.value(dice) if dice.random() < 0.6 else None
            gone.extend(
                model[key][:TELLING] for key in model.keys() & edits.keys() if len(model[key]) >= TELLING
            )
            model = {key: value for key, value in {**model, **edits}.items() if value is not None}
            if dice.random() < 0.5:
                self.foreign_edit(place, edits)
            elif store.apply(lambda _, edits=edits: edits):  # type: ignore[misc]
                content = self.content(place)
                assert not [value for value in gone if value in content], round_
            self.settle(place, round_)
            assert store.load() == model, round_
            if round_ % max(1, self.rounds // 30) == 0:
                assert self.foreign_records(place) == model, round_
        assert self.foreign_records(place) == model

    def test_a_reader_always_finds_the_account(self, place: P) -> None:
        """Another process reads through the format's own library while we write."""
        store = self.open(place)
        set_password(store, MAILDROID, b"secret")
        others = [Account(f"u{n}", "r") for n in range(40)]
        with subprocess.Popen(
            [self.python, "-c", self.reader(), str(place), KEY.hex(), str(self.lookups)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as reader:
            assert reader.stdin
            assert reader.stdout
            assert reader.stdout.readline() == "ready\n"
            rewrites = 0
            while reader.poll() is None:
                set_password(store, others[rewrites % 40], random.randbytes(20).hex().encode())
                rewrites += 1
                if rewrites == ENOUGH:
                    reader.stdin.close()
            right, wrong = map(int, reader.stdout.read().split())
        assert (right >= self.lookups, wrong) == (True, 0)
        assert rewrites > 10


class StoreContract(RecordContract[Path]):
    """A file of one format: set ``format``."""

    format: Format
    rounds = max(2000, ROUNDS)
    lookups = 100_000

    @pytest.fixture
    def directory(self) -> Iterator[Path]:
        """A directory in memory: hundreds of durable writes would wait for a disk."""
        with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
            yield Path(directory)

    @pytest.fixture
    def place(self, directory: Path) -> Path:
        return directory / "sasldb2"

    def settle(self, place: Path, round_: int) -> None:
        os.utime(place, (round_ + 1, round_ + 1))

    def content(self, place: Path) -> bytes:
        return place.read_bytes()

    def open(self, place: Path, origin: NewFile = NewFile()) -> Store:  # noqa: B008
        return open_store(str(place), new=self.format, origin=origin)

    def test_a_missing_file_is_named(self, place: Path) -> None:
        with pytest.raises(MissingInputError, match="sasldb2: does not exist"):
            self.open(place).load()
        assert not place.exists()

    def test_a_failing_change_leaves_the_file_alone(self, place: Path) -> None:
        store = self.open(place)
        set_password(store, MAILDROID, b"secret")
        before = place.read_bytes()
        with pytest.raises(ZeroDivisionError):
            store.apply(lambda _: {KEY: bytes(1 // 0)})
        assert place.read_bytes() == before
        assert not list(place.parent.glob(".*"))

    def test_a_new_file_has_the_format_and_is_private(self, directory: Path) -> None:
        path = directory / "sasldb2"
        os.umask(0)
        set_password(self.open(path), MAILDROID, b"secret")
        os.umask(0o022)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert format_at(str(path)) is self.format
        assert self.foreign_records(path) == {KEY: b"secret"}

    def test_mode_and_owner_are_as_asked_for_and_stay(self, directory: Path) -> None:
        path = directory / "sasldb2"
        store = self.open(path, NewFile(0o640, Owner(os.getuid(), 12345)))
        for password in (b"secret", b"other"):
            set_password(store, MAILDROID, password)
            status = path.stat()
            assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o640, 12345)

    def test_an_old_secret_is_nowhere_in_the_file(self, directory: Path) -> None:
        path = directory / "sasldb2"
        store = self.open(path)
        others = {b"u%d\0r\0userPassword" % n: b"p%d" % n for n in range(300)}
        self.foreign_edit(path, {**others, KEY: b"first-old-secret"})
        self.foreign_edit(path, {KEY: b"second-old-secret-longer", b"u7\0r\0userPassword": None})
        set_password(store, MAILDROID, b"third-old-secret" * 100)
        set_password(store, MAILDROID, b"new")
        assert b"old-secret" not in path.read_bytes()
        set_password(store, MAILDROID, None)
        content = path.read_bytes()
        assert b"maildroid" not in content
        assert b"u8\0r\0userPassword" in content

    def test_a_link_is_followed(self, directory: Path) -> None:
        (directory / "real").mkdir()
        link = directory / "sasldb2"
        set_password(self.open(directory / "real" / "db"), MAILDROID, b"old")
        link.symlink_to("real/db")
        set_password(self.open(link), MAILDROID, b"new")
        assert link.is_symlink()
        assert self.foreign_records(directory / "real" / "db") == {KEY: b"new"}

    def test_a_damaged_file_is_refused_and_left_as_it_is(self, directory: Path) -> None:
        path = directory / "sasldb2"
        set_password(self.open(path), MAILDROID, b"secret")
        sound = path.read_bytes()
        for damaged in (sound[:700], sound[: len(sound) // 2], sound[:600] + b"\xff" * (len(sound) - 600)):
            path.write_bytes(damaged)
            os.utime(path, (1, 1))
            for use in (lambda s: s.load(), lambda s: set_password(s, MAILDROID, b"x")):
                with pytest.raises((DamagedFileError, ForeignFormatError)) as caught:
                    use(open_store(str(path)))
                assert str(path) in str(caught.value)
            assert path.read_bytes() == damaged

    def test_every_refusal_has_one_line(self, directory: Path) -> None:
        path = directory / "sasldb2"
        path.write_bytes(b"")
        with pytest.raises(SmtpcredsError) as caught:
            self.open(path)
        assert "\n" not in f"{caught.value} {caught.value.hint}"
