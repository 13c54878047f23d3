"""What the console draws: each widget shows what it is given and says what was asked of it."""
