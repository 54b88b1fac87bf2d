"""Proving a rule before it runs: tests, backtests, and why (design: rules)."""
