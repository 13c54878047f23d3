"""Alerts of Alertmanager and Prometheus merged into one list, and recent changes."""
