"""The first configuration: find servers, try each, and write the config file."""
