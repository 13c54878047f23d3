"""Frozen classes with slots, and plain ones: exactly the standard library's in use, and no method of theirs is compiled by an
import or for the first instances.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, astuple, field, fields, replace
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from queries.model import frozen

T = TypeVar("T")
Decorator = Callable[..., Any]


def classes(dataclass: Decorator) -> dict[str, Any]:
    """The same classes by one decorator or the other."""

    @dataclass(frozen=True, slots=True)
    class Empty:
        """Nothing."""

    @dataclass(frozen=True, slots=True)
    class One:
        value: float

    @dataclass(frozen=True, slots=True)
    class Many:
        LIMIT: ClassVar[int] = 7
        name: str
        count: int = 3
        items: tuple[int, ...] = ()
        made: dict[str, int] = field(default_factory=dict, hash=False)
        age: float = field(default=0.0, compare=False)
        secret: str = field(default="x", repr=False)
        upper: str = field(init=False)

        def __post_init__(self) -> None:
            object.__setattr__(self, "upper", self.name.upper())

        @property
        def double(self) -> int:
            return 2 * self.count

    @dataclass(frozen=True, slots=True)
    class Child(Many):
        more: str = "more"
        count: int = 9

    @dataclass(frozen=True, slots=True)
    class Box(Generic[T]):
        content: T
        note: str | None = None

    @dataclass(frozen=True, slots=True, repr=False)
    class Quiet:
        token: str

        def __repr__(self) -> str:
            return "Quiet(…)"

    @dataclass(frozen=True, slots=True)
    class Own:
        name: str

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Own) and other.name.lower() == self.name.lower()

        def __hash__(self) -> int:
            return hash(self.name.lower())

    return {item.__name__: item for item in (Empty, One, Many, Child, Box, Quiet, Own)}


OURS, THEIRS = classes(frozen.dataclass), classes(dataclasses.dataclass)
NAN = float("nan")
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Empty", (), {}),
    ("One", (1.5,), {}),
    ("One", (NAN,), {}),
    ("One", (), {"value": 2.0}),
    ("Many", ("a",), {}),
    ("Many", ("a", 4, (1,)), {"age": 7.0}),
    ("Many", (), {"name": "b", "made": {"k": 1}, "secret": "s"}),
    ("Child", ("a",), {}),
    ("Child", ("a", 1, (), {}, 0.0, "s", "last"), {}),
    ("Box", ([1],), {}),
    ("Quiet", ("t",), {}),
    ("Own", ("A",), {}),
    ("Own", ("a",), {}),
]


def outcome(act: Callable[[], Any]) -> Any:
    """What it returns, or the kind of what it raises."""
    try:
        return act()
    except Exception as error:
        return type(error)


@pytest.mark.parametrize(("name", "values", "named"), CALLS)
def test_an_instance_is_the_standard_librarys(name: str, values: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Text, fields, conversions, hash, copies, and what is refused are equal for the same class and arguments."""
    one, other = OURS[name](*values, **named), THEIRS[name](*values, **named)
    assert repr(one) == repr(other)
    assert [(item.name, item.type, item.init, item.compare) for item in fields(one)] == [
        (item.name, item.type, item.init, item.compare) for item in fields(other)
    ]
    assert repr(asdict(one)) == repr(asdict(other))
    assert repr(astuple(one)) == repr(astuple(other))
    assert outcome(lambda: hash(one)) == outcome(lambda: hash(other))
    assert one == copy.copy(one) == copy.deepcopy(one) or repr(one).find("nan") > 0
    assert one.__slots__ == other.__slots__
    assert not hasattr(one, "__dict__")
    assert type(one).__match_args__ == type(other).__match_args__
    for act in (lambda item: setattr(item, "count", 1), lambda item: delattr(item, "name"), lambda item: setattr(item, "x", 1)):
        with pytest.raises((FrozenInstanceError, TypeError)):
            act(one)


def test_annotations_of_python_3_14_are_read_by_the_standard_library() -> None:
    """Without the future import, as in h11, a class has no texts there but a function for its annotations."""
    scope: dict[str, Any] = {}
    exec(compile("class Later:\n    value: int\n", "later.py", "exec", dont_inherit=True), scope)
    assert frozen.dataclass(scope["Later"])(value=1).value == 1
    for options in ({}, {"frozen": True}, {"frozen": True, "slots": True}):
        later = type("Later", (), {"__annotations__": {"value": int}, "__annotate__": lambda _: {"value": int}})
        assert list(inspect.signature(frozen.dataclass(**options)(later)).parameters) == ["value"]  # only theirs has its name


def test_equality_and_order_of_all_pairs() -> None:
    """Each pair of instances is equal here if and only if it is with the standard library, NaN and subclasses included."""
    made = [(OURS[name](*values, **named), THEIRS[name](*values, **named)) for name, values, named in CALLS]
    found = [(one == other, their_one == their_other) for one, their_one in made for other, their_other in made]
    assert all(ours == theirs for ours, theirs in found)
    assert 0 < sum(ours for ours, _ in found) < len(found)
    assert OURS["Many"]("a", age=1.0) == OURS["Many"]("a", age=2.0) != OURS["Many"]("a", 4)


@pytest.mark.parametrize(
    ("name", "values", "named"),
    [
        ("Empty", (1,), {}),
        ("One", (), {}),
        ("One", (1, 2), {}),
        ("One", (1,), {"value": 2}),
        ("One", (), {"other": 2}),
        ("Many", (), {}),
        ("Many", ("a",), {"upper": "A"}),
    ],
)
def test_wrong_arguments_are_refused_alike(name: str, values: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Missing, unknown and repeated arguments are a TypeError that names the class, at the first instance and later."""
    for _ in range(2):
        with pytest.raises(TypeError, match=r"__init__\(\)"):
            OURS[name](*values, **named)
        with pytest.raises(TypeError, match=r"__init__\(\)"):
            THEIRS[name](*values, **named)


def test_replace_makes_another_and_leaves_the_first() -> None:
    """`replace` runs `__post_init__` again, and refuses a field that is not an argument."""
    first = OURS["Child"]("a")
    second = replace(first, name="b", count=1)
    assert (second.upper, second.double, second.more) == ("B", 2, "more")
    assert (first.upper, first.count) == ("A", 9)
    with pytest.raises(ValueError, match="init=False"):
        replace(first, upper="X")


def test_each_instance_gets_its_own_default() -> None:
    """A default_factory is called for each instance."""
    one, other = OURS["Many"]("a"), OURS["Many"]("a")
    assert one.made == {} and one.made is not other.made


@pytest.mark.parametrize("dataclass", [frozen.dataclass, dataclasses.dataclass])
def test_classes_that_cannot_be_are_refused(dataclass: Decorator) -> None:
    """A field without default after one that has one, and a default that all instances would share."""
    with pytest.raises(TypeError):

        @dataclass(frozen=True, slots=True)
        class Order:
            first: int = 1
            second: int  # type: ignore[misc]

    with pytest.raises(ValueError, match="mutable default"):

        @dataclass(frozen=True, slots=True)
        class Shared:
            items: list[int] = []  # noqa: RUF012


def test_every_other_kind_is_the_standard_librarys() -> None:
    """Classes that are ordered behave as always."""

    @frozen.dataclass(frozen=True, slots=True, order=True)
    class Ordered:
        count: int = 0

    assert sorted([Ordered(2), Ordered(1)]) == [Ordered(1), Ordered(2)]


def plain_classes(dataclass: Decorator) -> dict[str, Any]:
    """The same classes that can change by one decorator or the other."""

    class Base:
        def __init__(self) -> None:
            self.begun = True

        def __post_init__(self) -> None:
            Base.__init__(self)
            self.total = 4

    @dataclass
    class Message(Base):
        LIMIT: ClassVar[int] = 7
        name: str
        count: int = 3
        made: list[int] = field(default_factory=list)
        secret: str = field(default="x", repr=False, compare=False)
        total: int = field(init=False)

    @dataclass
    class Child(Message):
        more: str = "more"

    class Heir(Child):
        """Not decorated."""

    class Changed(Child):
        count = 9
        """A default without annotation is none: the field keeps its own."""

    @dataclass
    class Own:
        name: str

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return 4

        def __repr__(self) -> str:
            return "own"

    return {item.__name__: item for item in (Message, Child, Heir, dataclass(Changed), Own)}


PLAIN, THEIR_PLAIN = plain_classes(frozen.dataclass), plain_classes(dataclasses.dataclass)


@pytest.mark.parametrize("name", PLAIN)
@pytest.mark.parametrize(
    ("values", "named"),
    [
        (("a",), {}),
        (("a", 4), {}),
        ((), {"name": "a", "made": [1], "secret": "s"}),
        ((), {}),
        (("a",), {"name": "b"}),
        (("a",), {"total": 1}),
        (("a",), {"other": 1}),
        (("a", 1, [], "s", "more", "too many"), {}),
    ],
)
def test_a_plain_class_is_the_standard_librarys(name: str, values: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Text, attributes, comparison, hash, and what is refused are equal for the same class and arguments."""
    ours, theirs = PLAIN[name], THEIR_PLAIN[name]
    one, other = outcome(lambda: ours(*values, **named)), outcome(lambda: theirs(*values, **named))
    if other is TypeError:
        assert one is TypeError
        return
    assert {key: str(value) for key, value in vars(one).items()} == {key: str(value) for key, value in vars(other).items()}
    assert outcome(lambda: hash(one)) == outcome(lambda: hash(other))
    for item in (one, other):
        if name != "Own":
            assert item == type(item)(*values, **named, **({} if named else {"secret": "another"}))
            assert item.count != 77
            item.count = 77
            item.total = 5
            assert item != type(item)(*values, **named)
    assert repr(one) == repr(other)
    kept = ("LIMIT", "count", "made", "secret", "total", "__match_args__")
    assert [getattr(ours, key, "none") for key in kept] == [getattr(theirs, key, "none") for key in kept]


@pytest.mark.parametrize("kind", [OURS["Many"], PLAIN["Message"]])
def test_a_class_with_many_instances_is_compiled_and_stays_the_same(kind: Any) -> None:
    """Before and after the standard library compiled `__init__`, equal arguments make equal instances with their own lists."""
    made = [kind("a", count=index % 2, secret="s") for index in range(200)]
    assert kind.__init__.__code__.co_filename == "<string>"
    assert made[0] == made[198] != made[199] == made[1]
    assert made[0].made is not made[198].made


@pytest.mark.parametrize("dataclass", [frozen.dataclass, dataclasses.dataclass])
def test_a_frozen_class_without_slots_keeps_what_it_computed(dataclass: Decorator) -> None:
    """Equal, hashed and refused as the standard library's, and a `cached_property` is computed once."""
    calls: list[str] = []

    @dataclass(frozen=True)
    class Place:
        name: str
        labels: tuple[str, ...] = ()
        age: float = field(default=0.0, compare=False)

        @cached_property
        def upper(self) -> str:
            calls.append(self.name)
            return self.name.upper()

    one = Place("a", ("x",), age=1.0)
    assert one == Place("a", labels=("x",)) != Place("a")
    assert hash(one) == hash(Place("a", ("x",)))
    assert (one.upper, one.upper, calls) == ("A", "A", ["a"])
    assert repr(one).endswith("Place(name='a', labels=('x',), age=1.0)")
    assert replace(one, name="b").upper == "B"
    for act in (lambda: setattr(one, "name", "b"), lambda: delattr(one, "name")):
        with pytest.raises(FrozenInstanceError):
            act()
    with pytest.raises(TypeError, match=r"Place\.__init__\(\)"):
        Place()


def test_instances_can_be_pickled() -> None:
    """One that another process makes is equal."""
    from queries.model.alert import RunbookMatch

    match = RunbookMatch("a", "a.md", "alertname")
    assert pickle.loads(pickle.dumps(match)) == match


def test_importing_a_class_compiles_no_method() -> None:
    """Importing settings and model compiles no generated method, nor do the first instances; with many the standard library
    compiles `__init__` with the two methods of a frozen class, once.
    """
    code = """
import sys
seen = []
def watch(event, values):
    if event == "compile" and values[1] == "<string>":
        source = values[0]
        seen.append(source.decode() if isinstance(source, bytes) else source)
import dataclasses, enum, typing, collections
import queries.model.frozen
sys.addaudithook(watch)
import console.config.settings, console.state.incident, queries.model.workload, queries.model.panel
from queries.model.alert import RunbookMatch
def count():
    return len([source for source in seen if source and "def __" in source])
print(count())
RunbookMatch("a", "b", "c")
RunbookMatch("a", "b", "c")
print(count())
for _ in range(200):
    RunbookMatch("a", "b", "c")
print(count())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert [int(count) for count in done.stdout.split()] == [0, 0, 1]
