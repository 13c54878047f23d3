"""Between Textual's compositor and the tty: sends only the cells that changed, and no faster than the terminal accepts them."""
