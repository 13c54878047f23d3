"""Lint rules for rule files, routes and runbooks, each one function over parsed text."""
