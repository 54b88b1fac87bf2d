"""The HTML report of a backtest: one file, no network (design: rules, "Proving a rule before it runs")."""

from agent.proving.report.page import render

__all__ = ["render"]
