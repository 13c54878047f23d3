"""Frozen value objects, one noun a file."""
