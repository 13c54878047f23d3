"""Panels and their PromQL as data, one YAML file a board."""
