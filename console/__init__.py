"""The application: the only package that sees both `queries` and `widgets`."""

__version__ = "0.5.0"
