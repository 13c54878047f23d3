"""The traps of live rule sets, each found by one function over parsed rules."""
