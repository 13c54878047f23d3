"""What one shift tells the next, put together from what is known and signed in the journal."""
