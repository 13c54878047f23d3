"""The audit log: append-only events on this host, synced to a shared store."""
