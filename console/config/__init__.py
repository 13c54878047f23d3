"""Settings, environments and thresholds: schema, defaults and the origin of each value."""
