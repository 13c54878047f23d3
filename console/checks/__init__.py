"""Verdicts: pure functions of facts, thresholds and now."""
