"""Morning, hourly and end-of-day checklists, with live evidence for each item."""
