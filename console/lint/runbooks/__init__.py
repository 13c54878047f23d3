"""The lint of runbooks."""
