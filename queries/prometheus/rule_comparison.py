"""The loaded recording rules of a server beside ours: the same meaning, another one, or none that can be compared."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from queries.model.rule import RecordedSeries, RuleMatch
from queries.prometheus.recorded_series import LoadedRule, format_place
from queries.promql.equivalence import Forms, Incomparable
from queries.promql.normal_form import Form
from queries.promql.syntax import lex

_MOST_FOR_OTHER_NAMES = 2000
"""With more recorded series than this, none is searched under another name."""
_OURS, _LOADED = "ours", "loaded"


def compare_recordings(loaded: Sequence[LoadedRule], ours: Mapping[str, str]) -> dict[str, RecordedSeries]:
    """How each of our recorded names matches the loaded rules, by name."""
    by_name: dict[str, list[LoadedRule]] = defaultdict(list)
    for item in loaded:
        by_name[item.rule.name].append(item)
    # A name that two rules record stays as it is in expressions that read it.
    # Labels with one value on all rules, such as vmalert's external labels, distinguish none of them.
    common = frozenset.intersection(*(frozenset(item.rule.labels) for item in loaded)) if loaded else frozenset()
    single = {
        name: items[0].rule.expression
        for name, items in by_name.items()
        if len(items) == 1 and common.issuperset(items[0].rule.labels)
    }
    forms = Forms(ours=ours, loaded=single)
    book: dict[str, RecordedSeries] = {}
    for name in ours:
        if by_name.get(name):
            book[name] = _match(forms, name, ours[name], by_name[name])
    missing = [name for name in ours if name not in book or book[name].match is not RuleMatch.SAME]
    if missing and len(loaded) <= _MOST_FOR_OTHER_NAMES:
        for name, other in _find_other_names(forms, missing, single):
            book[name] = RecordedSeries(name, RuleMatch.SAME, other, "", ours[name], (single[other],))
    return book


def _match(forms: Forms, name: str, ours: str, items: Sequence[LoadedRule]) -> RecordedSeries:
    rules = [item.rule for item in items]
    loaded = rules[0].expression
    if len(rules) > 1:
        places = " and ".join(dict.fromkeys(format_place(item.group) for item in items))
        text = f"{len(rules)} rules record {name} ({places}): its value may flip at every evaluation"
        return RecordedSeries(name, RuleMatch.TWICE, name, text, ours, tuple(rule.expression for rule in rules))
    words = {token[0] for token in lex(ours)}
    labels = [label for label, _ in rules[0].labels if label in words]
    if labels:
        text = f"the loaded rule sets {', '.join(labels)}"
        return RecordedSeries(name, RuleMatch.DIFFERENT, name, f"{name}: {text}", ours, (loaded,), ("labels",))
    try:
        differences = forms.differences((loaded, _LOADED), (ours, _OURS))
    except Incomparable as error:
        return RecordedSeries(name, RuleMatch.UNVERIFIED, name, f"{name}: {error}", ours, (loaded,))
    if not differences:
        return RecordedSeries(name, RuleMatch.SAME, name, "", ours, (loaded,))
    text = f"{name} is loaded with a different meaning: {'; '.join(item.text for item in differences)}"
    return RecordedSeries(
        name, RuleMatch.DIFFERENT, name, text, ours, (loaded,), tuple(dict.fromkeys(item.kind for item in differences))
    )


def _find_other_names(forms: Forms, missing: Iterable[str], single: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The names under which the server records what is missing under ours: of several the shortest."""
    missing_by_form: dict[tuple[int, str], list[str]] = defaultdict(list)
    for name in missing:
        try:
            missing_by_form[_key(forms.recorded(name, _OURS))].append(name)
        except Incomparable:
            continue
    for other in sorted(single, key=lambda item: (-len(item), item)):
        try:
            names = missing_by_form.get(_key(forms.recorded(other, _LOADED)), ())
        except Incomparable:
            continue
        yield from ((name, other) for name in names)


def _key(form: Form) -> tuple[int, str]:
    return form.number, f"{form.factor:.9g}"
