"""What people walk through each morning, each hour and at the end of the day, bound to live evidence."""
