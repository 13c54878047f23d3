"""What lies between Textual's compositor and the terminal: only what differs is sent, and never more than the line takes."""
