"""Polls every source, keeps the latest results, and builds snapshots from them."""
