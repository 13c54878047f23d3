"""What is true now: the snapshot, and the reducers of journal events. No I/O."""
