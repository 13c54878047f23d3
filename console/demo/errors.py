"""What a place to get the servers from raises when it cannot give them."""

from __future__ import annotations


class SourceFailed(Exception):
    """This source cannot give the servers; the message is the reason, and what to do where something can be done."""
