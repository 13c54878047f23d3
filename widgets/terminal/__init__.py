"""Between Textual's compositor and the terminal: sends only cells that differ, and no more than the terminal accepts."""
