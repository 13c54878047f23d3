"""msgspec with modules that are imported later: structs, schemas and identifiers work as with a plain import."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from queries.lean_msgspec import USED_LATER

USE = """
import json, sys
if sys.argv[1] == "lean":
    import queries.lean_msgspec
    names = ("typing_extensions", "platform", *json.loads(sys.argv[2]))
    found = [name for name in names if hasattr(sys.modules.get(name), "__file__")]
else:
    found = []
import msgspec, datetime, decimal, uuid
from typing import Annotated, Generic, Literal, Optional, TypeVar
from typing import NotRequired, Required, TypedDict
T = TypeVar("T")
class Inner(msgspec.Struct, Generic[T], frozen=True, tag="inner"):
    '''A doc
        that is indented.'''
    value: T
class Movie(TypedDict, total=False):
    name: Required[str]
    year: NotRequired[int]
class Outer(msgspec.Struct, rename="camel", omit_defaults=True):
    some_id: uuid.UUID
    at: datetime.datetime
    worth: decimal.Decimal
    inner: Inner[int]
    movie: Movie
    kind: Literal["a", "b"] = "a"
    count: Annotated[int, msgspec.Meta(ge=0, le=9)] = 0
    note: Optional[str] = None
text = (
    b'{"someId":"12345678123456781234567812345678","at":"2026-01-01T00:00:00Z","worth":"1.5",'
    b'"inner":{"type":"inner","value":3},"movie":{"name":"x"},"count":4}'
)
one = msgspec.json.decode(text, type=Outer)
told = [repr(one), msgspec.json.encode(one).decode(), repr(msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=Outer))]
for wrong in (text.replace(b'"x"', b"1"), text.replace(b":4", b":10"), b"[]", text.replace(b'{"name":"x"}', b"{}")):
    try:
        msgspec.json.decode(wrong, type=Outer)
    except msgspec.ValidationError as error:
        told.append(str(error))
told += [msgspec.json.schema(Outer), repr(msgspec.inspect.type_info(Outer))]
told += [msgspec.yaml.decode(b"a: 1"), msgspec.toml.decode(b"a=1")]
told += [repr(msgspec.structs.fields(Outer)), isinstance(msgspec.inspect.type_info(int), msgspec.inspect.IntType)]
import platform, typing_extensions
told += [platform.system(), typing_extensions.Required.__module__, len(str(uuid.uuid1()))]
print(json.dumps([found, told], default=str))
"""


def use(code: str, *words: str) -> list[Any]:
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: list[Any] = json.loads(done.stdout)
    return found


def test_all_of_msgspec_works() -> None:
    """The same values, errors, schemas and type information, from modules that were not there before; and whoever imports one
    of them gets the real one.
    """
    loaded, lean = use(USE, "lean", json.dumps(USED_LATER))
    _, plain = use(USE, "plain")
    assert loaded == []
    assert lean == plain


@pytest.mark.parametrize("first", ["typing_extensions", "platform", "msgspec"])
def test_a_module_that_is_there_is_taken(first: str) -> None:
    """With any of them imported before, and with msgspec itself."""
    code = f"import {first}, queries.lean_msgspec, msgspec, json; import {first}; print(json.dumps([{first}.__file__]))"
    assert first in use(code)[0]
