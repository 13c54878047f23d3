"""Append-only events, kept on this machine."""
