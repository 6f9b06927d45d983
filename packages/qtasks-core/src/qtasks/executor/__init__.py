"""How one delivery becomes an outcome: plans, the replaceable executor, generators, contexts."""
