"""The capabilities of one server, detected from its list of features, else by small probes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import field
from functools import partial
from types import MappingProxyType
from typing import TypeVar

import msgspec

from queries.errors import InvalidResponse, RequestRejected, SourceError
from queries.http.client import Client
from queries.http.error_mapping import AGENT
from queries.model.frozen import dataclass
from queries.prometheus.responses import decode_instant

T = TypeVar("T")

FEATURES, PROBES = "/api/v1/features", "probes"
NATIVE_HISTOGRAMS, DURATION_EXPRESSIONS = "native histograms", "duration expressions"
ANCHORED, SMOOTHED = "anchored", "smoothed"
FILL, INFO, UTF8_NAMES = "fill", "info()", "UTF-8 names"
_FEATURE_OF = {DURATION_EXPRESSIONS: "duration_expr", ANCHORED: "anchored", SMOOTHED: "smoothed", FILL: "fill"}
PROBE_QUERIES = {
    NATIVE_HISTOGRAMS: "histogram_count(vector(0))",
    DURATION_EXPRESSIONS: "max_over_time(vector(0)[1m+1m:1m])",
    ANCHORED: "increase(cad_console_probe[1m] anchored)",
    SMOOTHED: "increase(cad_console_probe[1m] smoothed)",
    FILL: "vector(0) + fill(0) vector(0)",
    INFO: "info(cad_console_probe)",
    UTF8_NAMES: '{"cad.console.probe"}',
}
"""An expression for each extension of PromQL, over nothing that is stored."""
VICTORIA_METRICS = "VictoriaMetrics"
_NOWHERE = "unsupported path requested"
"""VictoriaMetrics' error for a path that it does not serve."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """The capabilities of a server; None means unknown.

    `functions` are the enabled functions and aggregations of PromQL, None if the server does not list them. `extensions` are
    the extensions of PromQL by name, True if the server evaluates them; a missing one is not known. `limit`: it honours
    `limit=`. `parse_query`: it parses expressions without evaluating them. `metadata` and `rules`: it has some.
    """

    learned_from: str
    maker: str = ""
    version: str = ""
    functions: frozenset[str] | None = None
    extensions: Mapping[str, bool] = field(default_factory=lambda: MappingProxyType({}))
    metadata: bool | None = None
    rules: bool | None = None
    limit: bool | None = None
    parse_query: bool | None = None


class _Features(msgspec.Struct):
    promql: dict[str, bool] = {}
    promql_functions: dict[str, bool] = {}
    promql_operators: dict[str, bool] = {}


class _BuildInfo(msgspec.Struct):
    version: str = ""
    application: str = ""
    goVersion: str = ""


class _Answer(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"null")


async def learn(client: Client, ruler: Client) -> Capabilities:
    """Probe the server: six requests; without a list of features, one for each extension and one for the maker more.

    Raises SourceError if the server as a whole does not answer.
    """
    features, maker = await _features(client)
    build, metadata, limit, parsed, rules = await asyncio.gather(
        _try(client, "/api/v1/status/buildinfo", partial(_read, _BuildInfo)),
        _try(client, "/api/v1/metadata", partial(_read, dict), ("limit", "1")),
        _try(client, "/api/v1/labels", partial(_read, list), ("limit", "1")),
        _accepts(client, "/api/v1/parse_query", "1"),
        _try(ruler, "/api/v1/rules", partial(_read, dict)),
    )
    if features is None:
        learned_from, functions = PROBES, None
        extensions = await _probe(client)
        maker = maker or await _thanos(client)
    else:
        learned_from = FEATURES
        functions = frozenset(
            name for listed in (features.promql_functions, features.promql_operators) for name, on in listed.items() if on
        )
        extensions = {name: features.promql.get(own, False) for name, own in _FEATURE_OF.items()}
        # Servers that list their features support UTF-8 names, and native histograms without a flag.
        extensions |= {NATIVE_HISTOGRAMS: "histogram_count" in functions, INFO: "info" in functions, UTF8_NAMES: True}
    return Capabilities(
        learned_from,
        maker=maker or _maker(build),
        version=build.version if build else "",
        functions=functions,
        extensions=MappingProxyType(extensions),
        metadata=None if metadata is None else bool(metadata),
        rules=None if rules is None else bool(rules.get("groups")),
        limit=None if not limit else len(limit) == 1,
        parse_query=parsed,
    )


async def _features(client: Client) -> tuple[_Features | None, str]:
    """The listed features, None if the server has no such list; and the vendor if the response reveals it."""
    try:
        return await client.fetch(FEATURES, decode=partial(_read, _Features)), "Prometheus"
    except (RequestRejected, InvalidResponse) as error:
        return None, VICTORIA_METRICS if _NOWHERE in error.fault.what else ""


async def _thanos(client: Client) -> str:
    """Its name, if a result has the field that only Thanos Query adds; else empty."""
    query = ("query", PROBE_QUERIES[NATIVE_HISTOGRAMS])
    found = await _try(client, "/api/v1/query", partial(decode_instant, where=client.where), query)
    return "Thanos" if found is not None and found.is_thanos else ""


async def _probe(client: Client) -> dict[str, bool]:
    """The extensions whose expressions the server evaluates; one that failed for another reason is left out."""
    answers = await asyncio.gather(*(_accepts(client, "/api/v1/query", text) for text in PROBE_QUERIES.values()))
    return {name: answer for name, answer in zip(PROBE_QUERIES, answers, strict=True) if answer is not None}


async def _accepts(client: Client, path: str, query: str) -> bool | None:
    try:
        await client.fetch(path, [("query", query)], decode=bytes)
    except (RequestRejected, InvalidResponse) as error:
        return None if AGENT in error.fault.what else False
    except SourceError:
        return None
    return True


async def _try(client: Client, path: str, decode: Callable[[bytes], T], *params: tuple[str, str]) -> T | None:
    call: Awaitable[T] = client.fetch(path, params, decode=decode)
    try:
        return await call
    except SourceError:
        return None


def _read(shape: type[T], body: bytes) -> T:
    """The answer's data. Raises InvalidResponse."""
    try:
        return msgspec.json.decode(msgspec.json.decode(body, type=_Answer).data, type=shape)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise InvalidResponse("the response is not in Prometheus' format") from None


def _maker(build: _BuildInfo | None) -> str:
    if build is None:
        return ""
    if build.application:
        return build.application  # `Grafana Mimir`
    return "Prometheus" if build.goVersion else ""
