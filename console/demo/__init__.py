"""The embedded stack: servers, simulator, scenarios and cluster."""
