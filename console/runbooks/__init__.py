"""Runbooks: the pages, which one an alert gets, their steps, and the actions that they suggest."""
