"""Logs of pods: read, merged by time, searched and saved."""
