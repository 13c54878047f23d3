"""Lint rules for runbooks."""
