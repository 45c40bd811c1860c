"""What is made at first use is the standard library's, and nothing is made before."""

import dataclasses
import json
import re
import sys
from collections.abc import Iterator
from threading import Barrier, Thread
from typing import Any

import pytest
from admin import TOP, peer

from smtpcreds.lazy import dataclass, pattern


@dataclass(frozen=True)
class Base:
    """One with a default, a factory, and a field that is not shown."""

    name: str
    secret: str = dataclasses.field(default="", repr=False)
    words: list[str] = dataclasses.field(default_factory=list, compare=False)


@dataclass(frozen=True)
class Derived(Base):
    """One with a field more."""

    port: int = 25


@pytest.mark.parametrize("often", [0, 100])
def test_a_data_class_is_that_of_the_standard_library(often: int) -> None:
    for _ in range(often):  # from some number on its methods are compiled
        Derived("attic")
    one = Derived("attic", "s3cret", port=587)
    assert one == Derived("attic", "s3cret", ["ignored"], 587) != Derived("attic", "s3cret")
    assert hash(one) == hash(Derived("attic", "s3cret", ["ignored"], 587))
    assert repr(one) == "Derived(name='attic', words=[], port=587)"
    assert dataclasses.replace(one, port=25) == Derived("attic", "s3cret")
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.port = 1  # type: ignore[misc]
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        Derived()  # type: ignore[call-arg]


def test_an_early_instance_is_the_equal_of_a_late_one() -> None:
    @dataclass(frozen=True)
    class Above:
        name: str
        words: list[str] = dataclasses.field(default_factory=list, compare=False)
        port: int = dataclasses.field(default=25)

        def __post_init__(self) -> None:
            assert self.name

    @dataclass(frozen=True)
    class Below(Above):
        secret: str = dataclasses.field(default="s", repr=False)

    @dataclass
    class Open:
        number: int = 1

    early: list[Any] = [Above("a"), Below("a", port=1), Open(), Below("a", [], 1, "t")]
    number_of = [hash(early[0]), hash(early[1]), repr(early[1]), dataclasses.asdict(early[3])]
    early[2].number = 2
    for _ in range(100):
        late: list[Any] = [Above("a"), Below("a", port=1), Open(2), Below("a", [], 1, "t")]
    assert early == late
    assert number_of == [hash(late[0]), hash(late[1]), repr(late[1]), dataclasses.asdict(late[3])]
    assert early[1] != early[3]
    assert early[0].words is not late[0].words
    for one in (early[1], late[1]):
        with pytest.raises(dataclasses.FrozenInstanceError):
            one.port = 2
    with pytest.raises(TypeError, match="unhashable"):
        hash(early[2])


def test_defaults_are_kept_where_the_class_is_the_standard_librarys_after_all() -> None:
    """Python 3.14 keeps annotations elsewhere than those before."""

    @dataclass(frozen=True)
    class Kept:
        site: str
        unread: list[str] = dataclasses.field(default_factory=list, compare=False)
        port: int = 25
        read: dict[str, bytes] = dataclasses.field(default_factory=dict, init=False, repr=False)

    assert (Kept("/").unread, Kept("/").port, Kept("/", port=587).read) == ([], 25, {})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [((), {}), (("a", "b", "c"), {}), (("a",), {"name": "b"}), (("a",), {"nope": 1})],
)
def test_what_is_wrong_is_said_by_the_standard_library(
    arguments: tuple[str, ...], words: dict[str, object]
) -> None:
    class Plain:
        name: str
        port: int = 25

    class Lazy:
        name: str
        port: int = 25

    Lazy.__qualname__ = Plain.__qualname__
    said = []
    for made in (dataclasses.dataclass(Plain), dataclass(Lazy)):
        with pytest.raises(TypeError) as refused:
            made(*arguments, **words)
        said.append(str(refused.value).rpartition(".")[2])
    assert said[0] == said[1]


@pytest.fixture
def hurried() -> Iterator[None]:
    """Let threads take turns after each few instructions."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("options", [{}, {"frozen": True}, {"order": True}, {"eq": False}])
def test_threads_that_use_a_class_while_it_is_made_see_whole_ones(options: dict[str, bool]) -> None:
    for _ in range(10):
        shared: Any = dataclass(**options)(type("Shared", (), {"__annotations__": {"number": int}}))
        gate = Barrier(8)
        seen: list[Any] = []

        def use(shared: Any = shared, gate: Barrier = gate, seen: list[Any] = seen) -> None:
            gate.wait()
            made = [shared(25) for _ in range(20)]
            seen.append(({*map(repr, made)}, made[0] == made[-1]))

        threads = [Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [({"Shared(number=25)"}, options.get("eq", True))] * 8


def test_a_class_below_one_that_is_complete() -> None:
    @dataclass(frozen=True)
    class Above:
        name: str

    for _ in range(100):
        Above("attic")

    @dataclass(frozen=True)
    class Below(Above):
        port: int = 25

    class Plain(Above):
        """Not a data class: what is no field may be set, as the standard library has it."""

    assert Below("attic") == Below("attic", 25)
    plain = Plain("attic")
    plain.other = 1  # type: ignore[attr-defined]
    with pytest.raises(dataclasses.FrozenInstanceError):
        plain.name = "mx"  # type: ignore[misc]


def test_a_regular_expression_is_that_of_the_standard_library() -> None:
    lazy, now = pattern(r"(?i)A(b*)"), re.compile(r"(?i)A(b*)")
    assert lazy.fullmatch("abb")[1] == "bb"  # type: ignore[index]
    assert (lazy.sub("-", "xabx"), lazy.split("xabx")) == (now.sub("-", "xabx"), now.split("xabx"))
    assert (lazy.pattern, lazy.flags, lazy.groups) == (now.pattern, now.flags, now.groups)


def test_nothing_is_made_before_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []
    process = dataclasses.dataclass

    def counted(one: type, **options: bool) -> type:
        made.append(one)
        return process(one, **options)

    monkeypatch.setattr(dataclasses, "dataclass", counted)

    @dataclass
    class Late:
        number: int

    pattern("[")
    assert not made
    assert Late(1) == Late(1)
    assert made == [Late]


PACKAGE = TOP / "smtpcreds"
OF_THE_PACKAGE = """
import dataclasses, importlib, inspect, json, pkgutil, re, sys
import smtpcreds, smtpcreds.lazy
needed = json.load(sys.stdin)  # by class, which the standard library's tell
make = smtpcreds.lazy.dataclass if needed else dataclasses.dataclass
made = []

def recorded(cls=None, /, **options):
    if cls is None:
        return lambda cls: recorded(cls, **options)
    made.append(make(cls, **options))
    return made[-1]

smtpcreds.lazy.dataclass = recorded
for module in pkgutil.walk_packages(smtpcreds.__path__, "smtpcreds."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)

def instance(cls, names):
    try:
        one, other = cls(**dict.fromkeys(names)), cls(**dict.fromkeys(names))
    except Exception as error:  # of __post_init__, which got None
        return f"{type(error).__name__}: {error}"
    try:
        hashed = str(hash(one) == hash(other))
    except TypeError as error:
        hashed = str(error)
    return f"{one!r} {one == other} {hashed}"

def required(cls):
    return [one.name for one in inspect.signature(cls).parameters.values() if one.default is one.empty]

described = {}
for cls in made:
    name = f"{cls.__module__}.{cls.__qualname__}"
    names = needed[name] if needed else required(cls)
    first = instance(cls, names)
    last = [instance(cls, names) for _ in range(40)][-1]
    fields = [repr(field) for field in dataclasses.fields(cls)]
    described[name] = required(cls), first, last, fields, str(inspect.signature(cls))
print(re.sub(" at 0x[0-9a-f]+", "", json.dumps(described)))
"""


def test_every_class_of_the_package_is_that_of_the_standard_library() -> None:
    """With its first instance, and when its methods are compiled; so what a new Python changed is seen."""

    def described(needed: dict[str, list[str]]) -> dict[str, list[Any]]:
        run = (sys.executable, "-c", OF_THE_PACKAGE)
        settings = {"PYTHONHASHSEED": "0"}  # sets are printed in one order
        told = peer(*run, stdin=json.dumps(needed).encode(), env=settings)
        found: dict[str, list[Any]] = json.loads(told)
        return found

    standard = described({})
    lazy = described({name: one[0] for name, one in standard.items()})
    there = re.findall(
        r"^ *@dataclass\b", "\n".join(p.read_text() for p in PACKAGE.rglob("*.py")), re.MULTILINE
    )
    assert len(lazy) == len(there) > 200
    assert {name: one for name, one in lazy.items() if one != standard[name]} == {}
    assert [name for name, one in lazy.items() if one[1] != one[2]] == []
