"""The only code that changes anything outside the console, apart from the stores of the shared journal."""
