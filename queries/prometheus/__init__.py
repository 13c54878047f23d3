"""Queries of a Prometheus server: panels, ranges, metadata, recorded series."""
