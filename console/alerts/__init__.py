"""Alerts of Alertmanager and Prometheus as one list, and what changed around them."""
