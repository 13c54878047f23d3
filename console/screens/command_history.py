"""The commands that a person ran with `:`, and the text of the file that keeps them between starts."""

from __future__ import annotations

from typing import Any

MOST = 100
_LONGEST = 400
"""Characters; a longer command is not kept: the file stays small."""


class CommandHistory:
    """The newest first, each once."""

    def __init__(self) -> None:
        self.texts: tuple[str, ...] = ()

    def add(self, text: str) -> None:
        if len(text) <= _LONGEST:
            self.texts = (text, *(item for item in self.texts if item != text))[:MOST]

    def encode(self) -> str:
        """The history as the text of its file."""
        import json  # noqa: PLC0415  # not before the first frame

        return json.dumps({"commands": self.texts}, indent=1) + "\n"

    def restore(self, text: str) -> None:
        """Take the history of a file's text. Raises ValueError if the text is not a mapping in JSON."""
        import json  # noqa: PLC0415  # as above

        kept: Any = json.loads(text)
        if not isinstance(kept, dict):
            raise ValueError("expected a mapping")
        listed = kept.get("commands")
        texts = [item for item in listed if isinstance(item, str)] if isinstance(listed, list) else []
        self.texts = tuple(dict.fromkeys((*self.texts, *texts)))[:MOST]
