"""Settings, environments and thresholds: schema, defaults and where each value came from."""
