"""Bundles: what the platform looked like during an incident, in one file, and the console on it without any server."""
