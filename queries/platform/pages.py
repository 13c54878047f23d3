"""The platform's pages as values, tolerant of the words and shapes of different builds."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from typing import Any

from queries.model.platform import Breaker, PlatformHealth, ProviderHealth, Readiness, ReadinessCheck, VectorStore

_STATES = ("closed", "half-open", "open")
NOT_CLOSED = "not closed"
"""Open or half-open: some builds encode open as 1, others as 2, and a page of numbers does not say which."""
_WRAPPERS = ("circuit_breakers", "circuits", "breakers", "data")
_READY_WORDS = {"", "ready", "ok", "healthy", "up", "pass", "true"}
_VERSION_KEYS = ("version", "commit", "build", "revision", "sha")
_MOST = 500
"""The limit of services, breakers, models and providers, because a response may hold anything."""
_LONGEST = 300


def health_of(body: Mapping[str, Any]) -> PlatformHealth:
    """Read `/health`: in some builds its status is constant, and the relevant values are nested."""
    resilience = _mapping(body.get("resilience"))
    readiness = _at(body, "config", "ml", "readiness")
    reasons = readiness.get("degraded_reasons")
    return PlatformHealth(
        status=_word(body["status"]),
        services=_words(body.get("services")),
        error_rates=_rates(_mapping(body.get("runtime")).get("error_rate_ema")),
        breakers=breakers_of(resilience.get("circuit_breakers")),
        resilience=_word(resilience["status"]) if "status" in resilience else "",
        degraded_reasons=tuple(_text(item) for item in reasons[:_MOST]) if isinstance(reasons, list) else (),
        models=_models(readiness),
    )


def build_of(body: Mapping[str, Any]) -> str:
    """Identify a build by its versions and keys, as a hash because a value may be secret."""
    described = repr(sorted(_build_words({key: body[key] for key in body if key not in ("services", "resilience")}, depth=3)))
    return hashlib.sha256(described.encode()).hexdigest()[:16]


def readiness_of(body: Mapping[str, Any], *, status: int) -> Readiness:
    """Read `/ready`: a status of 503 is not ready, whatever the body says, and neither is an unknown word."""
    checks = []
    for name, value in list(_mapping(body.get("checks")).items())[:_MOST]:
        own = _mapping(value)
        checks.append(ReadinessCheck(_text(name), _word(value), _text(own.get("detail")), degraded=own.get("degraded") is True))
    stated = body.get("ready")
    ready = stated if isinstance(stated, bool) else _word(body.get("status", "")).lower() in _READY_WORDS
    reason = _text(body.get("detail") or body.get("message") or body.get("reason"))
    return Readiness(ready and status < 400, tuple(sorted(checks, key=lambda item: item.name)), reason)


def breakers_of(found: object) -> tuple[Breaker, ...]:
    """Read circuit breakers from a map or a list, with numbers or words as states."""
    if isinstance(found, dict):
        for name in _WRAPPERS:
            if isinstance(found.get(name), dict | list):
                return breakers_of(found[name])
        entries = [(str(key), value) for key, value in found.items()]
    elif isinstance(found, list):
        named = [item for item in found if isinstance(item, dict)]
        entries = [(_first(item, "key", "name", "circuit", "endpoint"), item) for item in named]
    else:
        return ()
    breakers = {
        key: Breaker(key, state, _count(value, "failure_count", "failures"), _count(value, "threshold", "failure_threshold"))
        for key, value in entries
        if key and (state := _state(value))
    }
    return tuple(breakers[key] for key in sorted(breakers))[:_MOST]


def vectors_of(body: object) -> VectorStore | None:
    """Read `/health/extended`; None without it."""
    found = _mapping(body)
    store, faiss = _mapping(found.get("vector_store")), _mapping(found.get("faiss"))
    if not store and not faiss:
        return None
    versions = ((_text(key), value) for key, value in _mapping(store.get("versions")).items())
    scalars = ((_text(key), _text(value)) for key, value in faiss.items() if not isinstance(value, dict | list))
    return VectorStore(
        _count(store, "total"),
        tuple(sorted((key, value) for key, value in versions if type(value) is int))[:_MOST],
        tuple(scalars)[:_MOST],
    )


def providers_of(body: object) -> tuple[ProviderHealth, ...]:
    """Read the platform's own check of each provider."""
    listed = _mapping(body).get("results", body)
    items: Iterable[object] = listed if isinstance(listed, list) else ()
    found = {}
    for item in items:
        own = _mapping(item)
        name = _first(own, "id") or "/".join(filter(None, (_first(own, "domain"), _first(own, "provider", "name"))))
        if name and isinstance(own.get("ready"), bool):
            found[name] = ProviderHealth(name, bool(own["ready"]), _text(own.get("error")))
    return tuple(found[name] for name in sorted(found))[:_MOST]


def _models(readiness: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Each model and its state, from the registry if the build has one, else from the `…_present` keys."""
    registry = _words(_at(readiness, "model_registry", "items"))
    present = {
        _text(key.removesuffix("_present")): "present" if value else "missing"
        for key, value in readiness.items()
        if key.endswith("_present") and isinstance(value, bool)
    }
    return registry or tuple(sorted(present.items()))[:_MOST]


def _build_words(value: object, *, depth: int, path: str = "") -> Iterable[str]:
    for key, item in _mapping(value).items():
        here = f"{path}.{key}"
        yield here
        if depth > 1 and isinstance(item, dict):
            yield from _build_words(item, depth=depth - 1, path=here)
        elif isinstance(item, str) and str(key).lower().endswith(_VERSION_KEYS):
            yield f"{here}={item}"


def _state(value: object) -> str:
    """The state word, empty if the value is not a state (a count or a timestamp beside the breakers)."""
    if isinstance(value, dict):
        value = value.get("state", value.get("status"))
    if isinstance(value, bool) or value is None:
        return ""
    if isinstance(value, int | float):
        return {0: _STATES[0], 1: NOT_CLOSED, 2: NOT_CLOSED}.get(int(value), "") if value in (0, 1, 2) else ""
    if not isinstance(value, str):
        return ""
    word = value.strip().lower().replace("_", "-").replace(" ", "-").removeprefix("circuitstate.")
    word = {"halfopen": "half-open"}.get(word, word)
    return word if word in _STATES else ""


def _words(value: object) -> tuple[tuple[str, str], ...]:
    """Names and their status words; a value may be an object with its own status."""
    return tuple(sorted((_text(key), _word(item)) for key, item in _mapping(value).items()))[:_MOST]


def _word(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("status", value.get("state", "?"))
    if isinstance(value, bool):
        return "up" if value else "down"
    return _text(value)


def _rates(value: object) -> tuple[tuple[str, float], ...]:
    found = [
        (_text(key), float(item))
        for key, item in _mapping(value).items()
        if isinstance(item, int | float) and not isinstance(item, bool) and abs(item) < 1e300 and math.isfinite(item)
    ]
    return tuple(sorted(found))[:_MOST]


def _count(value: object, *names: str) -> int | None:
    return next((item for name in names if type(item := _mapping(value).get(name)) is int), None)


def _first(value: Mapping[str, Any], *names: str) -> str:
    return next((_text(value[name]) for name in names if value.get(name) not in (None, "")), "")


def _at(value: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    found: object = value
    for key in path:
        found = _mapping(found).get(key)
    return _mapping(found)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)[:_LONGEST]
