"""The composition: the only package that sees both what is asked and what is drawn."""

__version__ = "0.1.0"
