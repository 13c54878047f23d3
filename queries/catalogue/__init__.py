"""Panels, signals, contract and error codes as data, and their loaders."""
