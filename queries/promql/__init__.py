"""PromQL and rule files as syntax trees: what an expression reads, means and returns."""
