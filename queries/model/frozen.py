"""`dataclass`, as in the standard library, that builds frozen classes with slots in a fifth of the time.

The standard library compiles six methods for each class when its module is imported: for the classes of the console that was
most of the time before the first frame. Here the methods are closures, except `__init__`, which the standard library compiles
when the first instance is created. Fields are those of the standard library, so `replace`, `fields` and `asdict` work. Every
other kind of class is left to the standard library.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, *, repr: bool = True, **options: bool) -> Any:
        """The decorator; `@dataclass(frozen=True, slots=True)` and the same with `repr=False` are built here."""
        if cls is None and options == {"frozen": True, "slots": True}:
            return lambda found: _build(found, shows_values=repr)
        return dataclasses.dataclass(cls, repr=repr, **options)


_MISSING = dataclasses.MISSING
_PARAMETERS = SimpleNamespace(init=True, repr=True, eq=True, order=False, unsafe_hash=False, frozen=True)
"""The standard library reads of a base whether it is frozen."""


def _build(cls: type, *, shows_values: bool) -> type:
    namespace = dict(cls.__dict__)
    fields: dict[str, dataclasses.Field[Any]] = {}
    for base in cls.__mro__[-1:0:-1]:
        fields |= getattr(base, "__dataclass_fields__", {})
    inherited = set(fields)
    for name, annotation in namespace.get("__annotations__", {}).items():
        if not str(annotation).startswith(("ClassVar", "typing.ClassVar")):
            # A default would hide the slot.
            fields[name] = _field(cls, name, annotation, namespace.pop(name, _MISSING))
    _check_order(cls, fields)
    namespace.pop("__dict__", None)
    namespace.pop("__weakref__", None)
    values = _getter([name for name, field in fields.items() if field.compare])
    hashed = [name for name, field in fields.items() if (field.compare if field.hash is None else field.hash)]
    namespace |= {
        "__slots__": tuple(name for name in fields if name not in inherited),
        "__qualname__": cls.__qualname__,
        "__dataclass_fields__": fields,
        "__dataclass_params__": _PARAMETERS,
        "__match_args__": tuple(name for name, field in fields.items() if field.init),
        "__setattr__": _refuse_assignment,
        "__delattr__": _refuse_deletion,
        "__getstate__": _get_state,
        "__setstate__": _set_state,
    }
    namespace.setdefault("__eq__", _make_eq(values))
    if shows_values:
        namespace.setdefault("__repr__", _repr)
    # Python itself sets `__hash__` to None where a class body defines `__eq__`.
    if namespace.get("__hash__") is None:
        namespace["__hash__"] = _make_hash(_getter(hashed))
    built = type(cls)(cls.__name__, cls.__bases__, namespace)
    if "__init__" not in cls.__dict__:
        built.__init__ = _make_init(built)  # type: ignore[misc]
    return built


def _field(cls: type, name: str, annotation: str, default: Any) -> dataclasses.Field[Any]:
    found: Any = default if isinstance(default, dataclasses.Field) else dataclasses.field(default=default)
    if found.default.__class__.__hash__ is None:
        raise ValueError(f"{cls.__qualname__}.{name}: a mutable default needs a default_factory")
    found.name, found.type, found.kw_only = name, annotation, False
    found._field_type = dataclasses._FIELD  # type: ignore[attr-defined]
    return found  # type: ignore[no-any-return]


def _check_order(cls: type, fields: dict[str, dataclasses.Field[Any]]) -> None:
    optional = ""
    for name, field in fields.items():
        if not field.init:
            continue
        if field.default is not _MISSING or field.default_factory is not _MISSING:
            optional = name
        elif optional:
            raise TypeError(f"{cls.__qualname__}: {name} has no default and follows {optional}, which has one")


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """What returns the values of these fields as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda _: ()
    get = attrgetter(*names)
    return lambda instance: (get(instance),)


def _make_eq(values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any, object], bool]:
    def __eq__(self: Any, other: object) -> bool:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _make_hash(values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:
        return hash(values(self))

    return __hash__


def _make_init(cls: Any) -> Callable[..., None]:
    """An `__init__` that compiles the real one for the first instance, and puts it in its place."""

    def __init__(self: Any, /, *values: Any, **named: Any) -> None:
        cls.__init__ = compiled = _compile_init(cls)
        compiled(self, *values, **named)

    return __init__


def _compile_init(cls: Any) -> Callable[..., None]:
    """The `__init__` that the standard library compiles for the same fields."""
    fields = cls.__dataclass_fields__.items()
    body: dict[str, Any] = {"__annotations__": {name: object for name, _ in fields}}
    for name, found in fields:
        body[name] = dataclasses.field(default=found.default, default_factory=found.default_factory, init=found.init)
    if hasattr(cls, "__post_init__"):
        body["__post_init__"] = cls.__post_init__
    template: Any = dataclasses.dataclass(frozen=True, repr=False, eq=False, match_args=False)(type(cls.__name__, (), body))
    compiled: Callable[..., None] = template.__init__
    compiled.__qualname__ = f"{cls.__qualname__}.__init__"
    return compiled


def _repr(self: Any) -> str:
    fields = self.__dataclass_fields__.items()
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name, field in fields if field.repr)
    return f"{self.__class__.__qualname__}({shown})"


def _refuse_assignment(_self: Any, name: str, _value: object) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deletion(_self: Any, name: str) -> None:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, name) for name in self.__dataclass_fields__]


def _set_state(self: Any, state: list[Any]) -> None:
    for name, value in zip(self.__dataclass_fields__, state, strict=True):
        object.__setattr__(self, name, value)
