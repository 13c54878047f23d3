"""Reads from servers; read-only by construction."""

import sys

# httpx imports its command line, with click and rich, wherever those are installed; a module marked as missing is not.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
