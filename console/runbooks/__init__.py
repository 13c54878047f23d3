"""Runbooks: pages, their match to alerts, steps and suggested actions."""
