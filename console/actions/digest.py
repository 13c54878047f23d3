"""A fingerprint of what a plan would change, by which a later plan is recognised as the same."""

from __future__ import annotations

import hashlib
import json


def digest(*parts: object) -> str:
    """The same text for the same JSON values, whatever the order of their keys."""
    content = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16]
