"""The stages that measures are made of: one module a kind, each a frozen state and pure functions."""
