"""What the console draws: each widget shows what it is given and reports what a person requested."""
