"""One workload, its revisions and YAML, and the nodes: read on demand, and what is wrong with them."""
