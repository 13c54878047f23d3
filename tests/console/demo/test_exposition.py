"""The simulated platform exports what the real one exported: families, types, labels, their values, buckets and zeros."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from simulated import NOON, simulator

from console.demo.exposition import format_sample
from console.demo.families import CLUSTER, PLATFORM

RECORDING = Path(__file__).parent / "recordings" / "platform-22e3c77.txt"
"""What the platform's own metric objects exported after 75 s of traffic, at commit 22e3c77 of its source."""

OWN_NAMES = {"provider", "key"}
"""Labels whose values are an installation's own: which providers there are."""
OPEN_ENDED = {
    "code": re.compile(r"[A-Z]+(_[A-Z]+)+|timeout|rate_limit|circuit_open|\d{3}"),
    "stage": re.compile(r"preprocess|infer|parse|align|load|general"),
}
"""Labels that have more values than one recording can show."""
NEVER = {"compare_requests_total", "feature_cache_tuning_requests_total"}
"""Families that the recording announces without a series and the simulator uses."""
SAMPLE = re.compile(r'([\w:]+)(?:\{((?:\w+="[^"]*",?)*)\})? (\S+)')


@dataclass
class Seen:
    """What one text says of one family: its type, help, label names, and the values that each label has."""

    kind: str
    help: str = ""
    names: set[frozenset[str]] = field(default_factory=set)
    values: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    bounds: list[str] = field(default_factory=list)
    suffixes: set[str] = field(default_factory=set)


def families(text: str) -> dict[str, Seen]:
    found: dict[str, Seen] = {}
    says: dict[str, str] = {}
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, output = line.split(" ", 3)
            says[name] = output
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in found, f"{name} is announced twice"
            found[name] = Seen(kind, says.get(name, ""))
        else:
            _read(line, found)
    return found


def _read(line: str, found: dict[str, Seen]) -> None:
    match = SAMPLE.fullmatch(line)
    assert match, line
    name, labels = match[1], dict(re.findall(r'(\w+)="([^"]*)"', match[2] or ""))
    base = re.sub(r"_(bucket|count|sum)$", "", name)
    seen = found[base] if found.get(base, Seen("")).kind == "histogram" else found[name]
    seen.suffixes.add(name.removeprefix(base))
    bound = labels.pop("le", None)
    if bound is not None and bound not in seen.bounds:
        seen.bounds.append(bound)
    seen.names.add(frozenset(labels))
    for label, value in labels.items():
        seen.values[label].add(value)


@cache
def recorded() -> dict[str, Seen]:
    return families(RECORDING.read_text())


@cache
def simulated() -> dict[str, Seen]:
    """After a minute of calm, and of a provider that fails and a circuit that is open, together."""
    texts = []
    for name in ("calm", "silent-failure"):
        platform = simulator(name)
        platform.begin()
        platform.live(NOON)
        texts.append(families(platform.exposition(NOON + 6000.0)))
    calm, failing = texts
    for name, seen in calm.items():
        for label, values in failing[name].values.items():
            seen.values[label] |= values
    return calm


def of_the_platform(found: dict[str, Seen]) -> Iterator[tuple[str, Seen]]:
    cluster = {family.name for family in CLUSTER}
    return ((name, seen) for name, seen in found.items() if name not in cluster)


def test_the_same_families_with_the_same_types() -> None:
    """Not one family more or less, each of its type, `_created` ones included, those without a series too."""
    ours = {name: seen.kind for name, seen in of_the_platform(simulated())}
    theirs = {name: seen.kind for name, seen in recorded().items()}
    stamps = {f"{name.removesuffix('_total')}_created" for name in NEVER}
    assert {name: kind for name, kind in ours.items() if name not in stamps} == {
        name: kind for name, kind in theirs.items() if name not in stamps
    }


def test_the_same_label_names() -> None:
    """Every series has the labels of the recorded ones; what has no labels there has none here."""
    labelled = {name: seen.names for name, seen in recorded().items() if seen.names}
    assert labelled
    assert {name: simulated()[name].names for name in labelled} == labelled


def test_the_same_label_values() -> None:
    """A status, endpoint, reason, version or level is one of the recorded, and all of these occur; OCR knows no "error"."""
    for name, seen in recorded().items():
        for label, values in seen.values.items():
            ours = simulated()[name].values[label]
            if label in OWN_NAMES:
                continue
            if label in OPEN_ENDED:
                assert all(OPEN_ENDED[label].fullmatch(value) for value in ours), (name, label, ours)
            elif name.startswith("dedupcad_vision_requests") and label == "status":
                assert ours == values | {"success"}  # recorded while its circuit was open all the time
            else:
                assert ours == values, (name, label)
    assert simulated()["ocr_requests_total"].values["status"] == {"start", "success", "cache_hit"}
    assert all(key.startswith("ocr:cb:") for key in simulated()["ocr_circuit_state"].values["key"])


def test_the_same_buckets_as_prometheus_client_writes_them() -> None:
    """`le="2.0"`, never `le="2"`; a histogram that begins below zero has no sum; all others have one."""
    for name, seen in recorded().items():
        if seen.bounds:
            assert simulated()[name].bounds == seen.bounds, name
            assert simulated()[name].suffixes == seen.suffixes, name
    assert recorded()["vector_migrate_dimension_delta"].suffixes == {"_bucket", "_count"}


def test_each_circuit_says_its_own_coding() -> None:
    """The help text of the three state metrics is the recorded one: OCR has 2 for open, the other two have 1."""
    says = {name: seen.help for name, seen in recorded().items() if seen.help}
    assert len(says) == 3
    assert {name: simulated()[name].help for name in says} == says


def test_what_has_no_labels_is_zero_from_the_start_and_the_rest_is_absent() -> None:
    """The first scrape of a platform that nobody has asked yet has every family, and a series only where it needs no label."""
    platform = simulator("quiet")
    platform.begin()
    text = platform.exposition(NOON)
    found = families(text)
    assert set(found) >= {family.name for family in PLATFORM}
    for family in PLATFORM:
        if family.kind == "counter":
            there = family.name == "model_rollback_total" or not family.by_label
            assert bool(found[family.name].names) is there, family.name
    assert "\nfeature_cache_hits_total 0.0\n" in text and "\nvector_migrate_dimension_delta_count 0.0\n" in text
    assert "ocr_requests_total{" not in text


def test_numbers_are_written_as_go_writes_them() -> None:
    """As prometheus_client does: a whole number has a point, a million an exponent."""
    written = [format_sample(value) for value in (0, 2, 0.25, 250000, 1e6, 2.5e7, -20, 1795893480.7)]
    assert written == ["0.0", "2.0", "0.25", "250000.0", "1e+06", "2.5e+07", "-20.0", "1.7958934807e+09"]
