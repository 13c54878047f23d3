"""Incidents: declaration, response timers, timeline, updates and postmortem."""
