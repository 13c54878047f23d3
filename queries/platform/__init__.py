"""The platform's own HTTP API."""
