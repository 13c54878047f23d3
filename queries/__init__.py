"""Reads from servers; read-only by construction."""
