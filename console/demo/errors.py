"""The error of a source of server binaries."""

from __future__ import annotations


class SourceFailed(Exception):
    """This source cannot provide the servers; the message has the reason and, where there is one, the remedy."""
