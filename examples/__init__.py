"""Claims of other papers about other models: what a project that uses `pytest_claims` consists of."""
