"""Numbers, ages, times and durations as text: formatted and parsed here alone; pure."""
