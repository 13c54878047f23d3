"""An exporter's /metrics page: families, their types, and their samples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from queries.errors import InvalidResponse
from queries.model.frozen import dataclass
from queries.model.series import Labels, Sample

_LIMIT_SAMPLES = 500_000
_COUNTER = re.compile(r"^[ \t]*#[ \t]+TYPE[ \t]+([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]+counter\b", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Exposition:
    """`types` by family name, an OpenMetrics counter's with `_total`; `series` by sample name."""

    where: str
    types: Mapping[str, str]
    series: Mapping[str, tuple[Sample, ...]]


def parse_exposition(body: bytes, *, where: str) -> Exposition:
    """Parse Prometheus' text format, or OpenMetrics, which ends with `# EOF`. Raises InvalidResponse."""
    # Imported here: it registers its own collectors, and only this function needs it.
    from prometheus_client import parser as plain  # noqa: PLC0415  # as above
    from prometheus_client.openmetrics import parser as strict  # noqa: PLC0415  # as above

    try:
        text = body.decode("utf-8")
        format = strict if text.rstrip().endswith("# EOF") else plain
        # The text format allows a counter any name, which Prometheus stores; the parser adds `_total` to it.
        named = _COUNTER.findall(text) if format is plain else ()
        renamed = frozenset(name for name in named if not name.endswith("_total"))
        return _collect(format.text_string_to_metric_families(text), where, renamed)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        what = str(error).splitlines()[0][:120] if str(error) else "it cannot be read"
        raise InvalidResponse(
            f"/metrics is not Prometheus' text format: {what}", where=where, hint="check that the URL is the exporter's"
        ) from None


def _collect(families: Iterable[Any], where: str, renamed: frozenset[str]) -> Exposition:
    types: dict[str, str] = {}
    series: dict[str, list[Sample]] = {}
    count = 0
    for family in families:
        is_renamed = family.type == "counter" and family.name in renamed
        types[f"{family.name}_total" if family.type == "counter" and not is_renamed else family.name] = family.type
        for item in family.samples:
            count += 1
            if count > _LIMIT_SAMPLES:
                raise ValueError(f"more than {_LIMIT_SAMPLES} series")
            labels: Labels = tuple(sorted(item.labels.items()))
            name = item.name.removesuffix("_total") if is_renamed else item.name
            series.setdefault(name, []).append(Sample(labels, float(item.value)))
    return Exposition(where, types, {name: tuple(found) for name, found in series.items()})
