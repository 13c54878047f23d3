"""Game days: drills with an undo and a time limit, and the console as their witness."""
