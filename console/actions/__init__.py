"""What the console may change, one file an action."""
