"""Label and field selectors of queries and objects, as predicates."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from console.demo.cluster import api_errors
from console.demo.cluster.resource import Object, Resource

Match = Callable[[Object], bool]

_SET = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s+(?P<op>in|notin)\s+\((?P<values>[^()]*)\)\s*$")
_EQUAL = re.compile(r"^\s*(?P<key>[^\s!=,()]+)\s*(?P<op>==|=|!=)\s*(?P<value>[^\s!=,()]*)\s*$")
_EXISTS = re.compile(r"^\s*(?P<negated>!?)\s*(?P<key>[^\s!=,()]+)\s*$")
_COMMA = re.compile(r",(?![^(]*\))")


def _labels(item: Object) -> dict[str, str]:
    return item.get("metadata", {}).get("labels") or {}


def labels(text: str) -> Match:
    """`a=b,c!=d,e in (f,g),h,!i` as a predicate. Raises ApiError 400."""
    tests = [_requirement(part) for part in _COMMA.split(text)] if text.strip() else []
    return lambda item: all(test(_labels(item)) for test in tests)


def _requirement(text: str) -> Callable[[dict[str, str]], bool]:
    if found := _SET.match(text):
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        if found["op"] == "in":
            return lambda have: have.get(key) in values
        return lambda have: have.get(key) not in values
    if found := _EQUAL.match(text):
        key, value = found["key"], found["value"]
        if found["op"] == "!=":
            return lambda have: have.get(key) != value
        return lambda have: have.get(key) == value
    if found := _EXISTS.match(text):
        key = found["key"]
        if found["negated"]:
            return lambda have: key not in have
        return lambda have: key in have
    raise api_errors.bad_request(f"unable to parse requirement: {text.strip()!r}")


def fields(text: str, resource: Resource) -> Match:
    """`metadata.name=a,status.phase!=Running` as a predicate. Raises ApiError 400 for an unsupported field."""
    tests: list[tuple[tuple[str, ...], str, bool]] = []
    for part in text.split(",") if text.strip() else ():
        found = _EQUAL.match(part)
        if found is None:
            raise api_errors.bad_request(f"invalid selector: {part!r}; can't understand {part!r}")
        if found["key"] not in resource.fields:
            known = ", ".join(f'"{name}"' for name in resource.fields)
            raise api_errors.bad_request(f'"{found["key"]}" is not a known field selector: only {known}')
        tests.append((tuple(found["key"].split(".")), found["value"], found["op"] != "!="))
    return lambda item: all((_at(item, path) == value) is equal for path, value, equal in tests)


def _at(item: Object, path: tuple[str, ...]) -> str:
    value: Any = item
    for step in path:
        value = value.get(step, "") if isinstance(value, dict) else ""
    return str(value)


def of_object(selector: Object | None) -> Callable[[dict[str, str]], bool]:
    """The predicate of `spec.selector` (matchLabels and matchExpressions) over a pod's labels."""
    match_labels = (selector or {}).get("matchLabels") or {}
    tests = []
    for item in (selector or {}).get("matchExpressions") or ():
        values = ",".join(item.get("values") or ())
        operator = item.get("operator")
        text = {"In": f"{item['key']} in ({values})", "NotIn": f"{item['key']} notin ({values})", "Exists": item["key"]}
        tests.append(_requirement(text.get(operator, f"!{item['key']}")))
    return lambda have: all(have.get(key) == value for key, value in match_labels.items()) and all(test(have) for test in tests)


def as_text(selector: Object | None) -> str:
    """The selector as Scale's status shows it: `app=web,tier in (a,b)`."""
    return ",".join(f"{key}={value}" for key, value in sorted(((selector or {}).get("matchLabels") or {}).items()))
