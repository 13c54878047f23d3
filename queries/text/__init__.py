"""Numbers, ages, times and durations as text, formatted and parsed here alone, and what a secret looks like; pure."""
