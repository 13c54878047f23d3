"""The one place where YAML becomes values: the safe C loader, with the line of what is wrong."""

from __future__ import annotations

import yaml

try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:  # a PyYAML that was built without libyaml: twenty times slower, equally safe
    from yaml import SafeLoader  # type: ignore[assignment]

__all__ = ["SafeLoader", "YamlError", "loads"]


class YamlError(ValueError):
    """Text that is not YAML; `line` counts from 1, and is None where the parser could not tell."""

    def __init__(self, problem: str, *, where: str, line: int | None) -> None:
        self.problem = problem
        self.where = where
        self.line = line
        place = f"{where}:{line}" if line is not None else where
        super().__init__(f"{place}: {problem}")


def loads(text: str, *, where: str) -> object:
    """The value of one YAML document; `where` names the text in errors. Raises YamlError."""
    try:
        value: object = yaml.load(text, Loader=SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(part for part in (error.context, error.problem) if part) or "not YAML"
        raise YamlError(problem, where=where, line=mark.line + 1 if mark else None) from None
    except yaml.YAMLError as error:
        raise YamlError(_first_line(str(error)), where=where, line=line_of(error, text)) from None
    except (ValueError, RecursionError, LookupError, AttributeError) as error:
        # `!!bool x`, a date such as 2026-13-45 or a nest of ten thousand brackets: the constructor gives up without a mark.
        raise YamlError(_first_line(str(error)) or "not YAML", where=where, line=None) from None
    return value


def line_of(error: yaml.YAMLError, text: str) -> int | None:
    """A forbidden character is reported by its position only."""
    position = getattr(error, "position", None)
    if not isinstance(position, int):
        return None
    # libyaml counts bytes, the parser in Python characters.
    before = text.encode()[:position].decode(errors="replace") if SafeLoader.__name__.startswith("C") else text[:position]
    return before.count("\n") + 1


def _first_line(text: str) -> str:
    return text.splitlines()[0] if text else ""
