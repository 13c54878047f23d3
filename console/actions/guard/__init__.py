"""Watches a change that was made, and rolls it back if a signal gets worse."""
