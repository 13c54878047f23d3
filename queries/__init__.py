"""Everything the console asks of the outside; read-only by construction."""
