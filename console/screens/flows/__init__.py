"""Flows of several steps on the screen: an action, a silence, an acknowledgement, an incident."""
