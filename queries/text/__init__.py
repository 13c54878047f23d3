"""Words that numbers, ages and times become: each is written once, pure, the lowest room."""
