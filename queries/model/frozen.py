"""`dataclass`, as in the standard library, that builds frozen classes with slots, and plain ones, in a fifth of the time.

The standard library compiles up to six methods for each class when its module is imported: for the classes of the console
that was most of the time before the first frame. Here the methods are closures, except `__init__`: it assigns the fields of
the first instances one by one, and is compiled for a class that has many. Fields are those of the standard library, so
`replace`, `fields` and `asdict` work. Every other kind of class is left to the standard library.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from operator import attrgetter
from types import CodeType, FunctionType, MemberDescriptorType, SimpleNamespace
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls: type | None = None, /, *, repr: bool = True, **options: bool) -> Any:
        """The decorator; `@dataclass`, with `frozen=True`, that with `init=False` or `slots=True`, and the last with
        `repr=False` are built here.
        """

        def build(found: type) -> type:
            # Annotations that Python 3.14 evaluates later, of a class of another package, are read by the standard library.
            if getattr(found, "__annotate__", None) is None:
                if repr and options in ({}, {"frozen": True}, {"frozen": True, "init": False}):
                    return _build_plain(found, frozen="frozen" in options, init=options.get("init", True))
                if options == {"frozen": True, "slots": True}:
                    return _build_frozen(found, shows_values=repr)
            return _standard(repr=repr, **options)(found)

        return build if cls is None else build(cls)


_standard = dataclasses.dataclass
_MISSING = dataclasses.MISSING
_FROZEN = SimpleNamespace(init=True, repr=True, eq=True, order=False, unsafe_hash=False, frozen=True)
_PLAIN = SimpleNamespace(init=True, repr=True, eq=True, order=False, unsafe_hash=False, frozen=False)
"""The standard library reads of a base whether it is frozen."""
_CLASS_VARIABLE = ("ClassVar", "typing.ClassVar")
_COMPILED_AFTER = 30
"""From this many instances on a compiled `__init__` costs less than assigning their fields one by one."""


def _build_plain(cls: Any, *, frozen: bool, init: bool = True) -> type:
    own = dict(vars(cls))
    fields = _collect_fields(cls)
    for name in own.get("__annotations__", ()):
        if not isinstance(own.get(name), dataclasses.Field):
            continue
        if fields[name].default is _MISSING:
            delattr(cls, name)
        else:
            setattr(cls, name, fields[name].default)
    values = _getter([name for name, field in fields.items() if field.compare])
    made = {"__repr__": _repr, "__match_args__": _match_args(fields)}
    if init:
        made["__init__"] = _make_init(cls)
    if "__eq__" not in own:
        made |= {"__eq__": _make_eq(values), "__hash__": _make_hash(_hashed(fields)) if frozen else None}
    if frozen:
        made |= {"__setattr__": _refuse_assignment, "__delattr__": _refuse_deletion}
    for name, value in made.items():
        if name not in own:
            setattr(cls, name, value)
    cls.__dataclass_fields__, cls.__dataclass_params__ = fields, _FROZEN if frozen else _PLAIN
    return cls  # type: ignore[no-any-return]


def _collect_fields(cls: type) -> dict[str, dataclasses.Field[Any]]:
    """The fields of the bases, then those of the class itself, in the standard library's order."""
    fields: dict[str, dataclasses.Field[Any]] = {}
    for base in cls.__mro__[-1:0:-1]:
        fields |= getattr(base, "__dataclass_fields__", {})
    namespace = vars(cls)
    for name, annotation in namespace.get("__annotations__", {}).items():
        if not str(annotation).startswith(_CLASS_VARIABLE):
            fields[name] = _field(cls, name, annotation, namespace.get(name, _MISSING))
    _check_order(cls, fields)
    return fields


def _match_args(fields: dict[str, dataclasses.Field[Any]]) -> tuple[str, ...]:
    return tuple(name for name, field in fields.items() if field.init)


def _build_frozen(cls: type, *, shows_values: bool) -> type:
    if (defaults := _read_defaults(cls)) is not None:
        return _build_simple(cls, defaults, shows_values=shows_values)
    fields = _collect_fields(cls)
    inherited = {name for base in cls.__mro__[1:] for name in getattr(base, "__dataclass_fields__", ())}
    # A default would hide the slot.
    namespace = {name: value for name, value in cls.__dict__.items() if name not in fields}
    namespace.pop("__dict__", None)
    namespace.pop("__weakref__", None)
    values = _getter([name for name, field in fields.items() if field.compare])
    namespace |= _METHODS
    namespace |= {
        "__slots__": tuple(name for name in fields if name not in inherited),
        "__qualname__": cls.__qualname__,
        "__dataclass_fields__": fields,
        "__match_args__": _match_args(fields),
    }
    _compare_by(namespace, values, _hashed(fields), shows_values=shows_values)
    built = type(cls)(cls.__name__, cls.__bases__, namespace)
    if "__init__" not in cls.__dict__:
        built.__init__ = _make_init(built)  # type: ignore[misc]
    return built


def _compare_by(
    namespace: dict[str, Any],
    values: Callable[[Any], tuple[Any, ...]],
    hashed: Callable[[Any], tuple[Any, ...]],
    *,
    shows_values: bool,
) -> None:
    namespace.setdefault("__eq__", _make_eq(values))
    if shows_values:
        namespace.setdefault("__repr__", _repr)
    # Python itself sets `__hash__` to None where a class body defines `__eq__`.
    if namespace.get("__hash__") is None:
        namespace["__hash__"] = _make_hash(hashed)


def _read_defaults(cls: type) -> dict[str, Any] | None:
    """The default of each field, or that it has none; None for a class with a base that has fields, with fields that have more
    than a default, or with a mistake.
    """
    if hasattr(cls, "__dataclass_fields__"):
        return None
    namespace = vars(cls)
    defaults: dict[str, Any] = {}
    optional = False
    for name, annotation in namespace.get("__annotations__", {}).items():
        if annotation.__class__ is not str or annotation.startswith(_CLASS_VARIABLE):
            return None
        default = defaults[name] = namespace.get(name, _MISSING)
        if default is not _MISSING:
            if default.__class__ is dataclasses.Field or default.__class__.__hash__ is None:
                return None
            optional = True
        elif optional:
            return None
    return defaults


def _build_simple(cls: type, defaults: dict[str, Any], *, shows_values: bool) -> type:
    """As `_build_frozen`, in half of the time; its fields are made when somebody asks for them."""
    names = tuple(defaults)
    namespace = vars(cls).copy()
    for name in (*names, "__dict__", "__weakref__"):
        namespace.pop(name, None)
    namespace |= _METHODS
    namespace["__slots__"] = namespace["__match_args__"] = names
    namespace["__qualname__"] = cls.__qualname__
    fields = namespace["__dataclass_fields__"] = _LaterFields(defaults)
    values = _getter(names)
    _compare_by(namespace, values, values, shows_values=shows_values)
    required = [name for name, default in defaults.items() if default is _MISSING]
    finish = getattr(cls, "__post_init__", None)
    built: Any = None
    made = 0

    def __init__(self: Any, /, *given: Any, **named: Any) -> None:
        nonlocal made
        made += 1
        count = len(given)
        found = {**defaults, **dict(zip(names, given, strict=False))}
        if named:
            found |= named
        if (
            made > _COMPILED_AFTER
            or not count <= len(names) == len(found)
            or not named.keys().isdisjoint(names[:count])
            or not named.keys() >= {*required[count:]}
        ):
            # Many instances, or arguments that it does not take.
            built.__init__ = compiled = _compile_init(built)
            compiled(self, *given, **named)
            return
        for name, value in found.items():
            object.__setattr__(self, name, value)
        if finish is not None:
            self.__post_init__()

    namespace.setdefault("__init__", __init__)
    built = fields.owner = type(cls)(cls.__name__, cls.__bases__, namespace)
    return built  # type: ignore[no-any-return]


class _LaterFields:
    """Stands for the fields of a class until somebody asks for them."""

    __slots__ = ("_defaults", "owner")

    def __init__(self, defaults: dict[str, Any]) -> None:
        self._defaults = defaults
        self.owner: Any = None

    def __get__(self, _instance: object, _owner: type) -> dict[str, dataclasses.Field[Any]]:
        types = vars(self.owner).get("__annotations__", {})
        fields = {name: _field(self.owner, name, types[name], default) for name, default in self._defaults.items()}
        self.owner.__dataclass_fields__ = fields
        return fields


def _field(cls: type, name: str, annotation: str, default: Any) -> dataclasses.Field[Any]:
    if default.__class__ is MemberDescriptorType:  # of a slot
        default = _MISSING
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


def _getter(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """What returns the values of these fields as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    if not names:
        return lambda _: ()
    get = attrgetter(*names)
    return lambda instance: (get(instance),)


def _hashed(fields: dict[str, dataclasses.Field[Any]]) -> Callable[[Any], tuple[Any, ...]]:
    """What returns the values that a hash depends on."""
    return _getter([name for name, field in fields.items() if (field.compare if field.hash is None else field.hash)])


def _make_eq(values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any, object], bool]:
    def __eq__(self: Any, other: object) -> bool:
        return values(self) == values(other) if other.__class__ is self.__class__ else NotImplemented

    return __eq__


def _make_hash(values: Callable[[Any], tuple[Any, ...]]) -> Callable[[Any], int]:
    def __hash__(self: Any) -> int:
        return hash(values(self))

    return __hash__


def _make_init(cls: Any) -> Callable[..., None]:
    """An `__init__` for the first instances; for arguments that it does not take and for many instances it compiles the real
    one, and puts it in its place.
    """
    made = 0

    def __init__(self: Any, /, *values: Any, **named: Any) -> None:
        nonlocal made
        made += 1
        if made > _COMPILED_AFTER or not _assign(self, values, named):
            cls.__init__ = compiled = _compile_init(cls)
            compiled(self, *values, **named)

    return __init__


def _assign(self: Any, values: tuple[Any, ...], named: dict[str, Any]) -> bool:
    """Set every field of a new instance; False, with none set, for arguments that are missing, unknown or given twice."""
    found: dict[str, Any] = {}
    positions = iter(values)
    taken = 0
    for name, field in self.__dataclass_fields__.items():
        value = next(positions, _MISSING) if field.init else _MISSING
        if value is _MISSING and field.init and name in named:
            value = named[name]
            taken += 1
        if value is _MISSING:
            value = field.default if field.default_factory is _MISSING else field.default_factory()
        if value is not _MISSING:
            found[name] = value
        elif field.init:
            return False
    if taken != len(named) or next(positions, _MISSING) is not _MISSING:
        return False
    for name, value in found.items():
        object.__setattr__(self, name, value)
    if hasattr(self, "__post_init__"):
        self.__post_init__()
    return True


def _compile_init(cls: Any) -> Callable[..., None]:
    """An `__init__` with the fields as its arguments: in a third of the time of the standard library's, which compiles three
    methods.
    """
    scope: dict[str, Any] = {"__set": object.__setattr__, "__none": _MISSING}
    frozen = cls.__dataclass_params__.frozen
    arguments, defaults, lines = ["__self"], [], []
    for at, (name, field) in enumerate(cls.__dataclass_fields__.items()):
        made = field.default_factory is not _MISSING
        given = made or field.default is not _MISSING
        if not field.init and not given:
            continue
        scope[f"__value{at}"] = field.default_factory if made else field.default
        value = f"__value{at}()" if made else f"__value{at}"
        if field.init:
            arguments.append(name)
            defaults += [_MISSING if made else field.default] if given else []
            value = f"{value} if {name} is __none else {name}" if made else name
        lines.append(f" __set(__self, {name!r}, {value})" if frozen else f" __self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append(" __self.__post_init__()")
    source = "\n".join([f"def __init__({', '.join(arguments)}):", *(lines or [" pass"])])
    (code,) = (item for item in compile(source, "<string>", "exec").co_consts if isinstance(item, CodeType))
    compiled: Any = FunctionType(code, scope, "__init__", tuple(defaults))
    compiled.__qualname__ = f"{cls.__qualname__}.__init__"
    return compiled  # type: ignore[no-any-return]


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


_METHODS = {
    "__dataclass_params__": _FROZEN,
    "__setattr__": _refuse_assignment,
    "__delattr__": _refuse_deletion,
    "__getstate__": _get_state,
    "__setstate__": _set_state,
}
"""What every frozen class with slots has."""
