"""The address of a server that answers from what was stored of it."""

URL = "http://bundle"
"""Nothing is ever sent to it."""
