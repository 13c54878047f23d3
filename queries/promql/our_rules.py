"""What our own rule files record, without the parser of PromQL."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from queries.catalogue.loader import expand_query
from queries.catalogue.signals import UNDECIDED, DefinitionChoice
from queries.model.later import lazy_pattern
from queries.model.panel import PanelSpec
from queries.shipped import load_shipped

FOLDER = Path(__file__).parents[1] / "rules"
_WINDOW = lazy_pattern(r"(?<=\[)\w+(?=\])")


def rule_names() -> tuple[str, ...]:
    """The names of our rule files: recording rules first, because the alerts read them."""
    names = (item.name for item in FOLDER.iterdir())
    rules = (name for name in names if name.startswith(("recording", "alerting")) and name.endswith(".yaml"))
    return tuple(sorted(rules, key=lambda name: (not name.startswith("recording"), name)))


def our_expressions() -> Mapping[str, str]:
    """The expressions of our recording rules by name, in the order of the files, with ${signal[5m]} unexpanded."""
    found: dict[str, str] = {}
    for name in rule_names():
        if name.startswith("recording"):
            document = load_shipped(FOLDER / name)
            found |= {rule["record"]: rule["expr"] for group in document["groups"] for rule in group["rules"]}
    return found


def our_alerts() -> frozenset[str]:
    """The names of the alerts of our rule files."""
    documents = [load_shipped(FOLDER / name) for name in rule_names() if name.startswith("alerting")]
    return frozenset(rule["alert"] for document in documents for group in document["groups"] for rule in group["rules"])


def find_missing_alerts(specs: Iterable[PanelSpec], loaded: Collection[str]) -> list[str]:
    """The alerts of these panels that are not loaded, sorted.

    An alert that our rule files lack is another rule set's name for one beside it: it is missing only if the panel has none.
    """
    ours = our_alerts()
    return sorted(
        {
            name
            for spec in specs
            for name in spec.alerts
            if name not in loaded and (name in ours or not any(other in loaded for other in spec.alerts))
        }
    )


def our_recordings(
    choice: DefinitionChoice = UNDECIDED, *, windows: Mapping[str, str] = MappingProxyType({})
) -> Mapping[str, str]:
    """The same as PromQL, with the encodings of the choice. `windows` maps windows to replacements."""
    coded = DefinitionChoice(encodings=choice.encodings)
    found = {name: expand_query(text, coded, where=name) for name, text in our_expressions().items()}
    return {name: _WINDOW.sub(lambda match: windows.get(match[0], match[0]), text) for name, text in found.items()}
