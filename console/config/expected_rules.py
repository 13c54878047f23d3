"""The rules that a Prometheus should have loaded: the configured files, else the built-in ones."""

from __future__ import annotations

from pathlib import Path

from console.config.settings import Settings
from queries.model.rule import RuleKind
from queries.promql.rule_files import PlacedRule, RuleFile, RuleFileProblem, load_built_in, read_rules

_LIMIT_BYTES = 16 << 20


def expected_rules(settings: Settings) -> tuple[RuleFile, ...]:
    """Never raises: a file carries its errors in `troubles`."""
    if not settings.own.rules:
        return load_built_in()
    files = (_read(path) for path in settings.own.rules)
    return tuple(file for file in files if not file.routing)


def expected_alerts(settings: Settings) -> tuple[PlacedRule, ...]:
    """The alerting rules among them."""
    return tuple(item for file in expected_rules(settings) for item in file.rules if item.rule.kind is RuleKind.ALERT)


def _read(name: str) -> RuleFile:
    path = Path(name)
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            return RuleFile(name, problems=(RuleFileProblem(1, "larger than 16 MiB, expected a rule file"),))
        return read_rules(path.read_text(encoding="utf-8"), path=name)
    except UnicodeDecodeError:
        return RuleFile(name, problems=(RuleFileProblem(1, "expected text in UTF-8"),))
    except OSError as error:
        return RuleFile(name, problems=(RuleFileProblem(1, f"cannot be read: {error.strerror}"),))
