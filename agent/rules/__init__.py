"""The rule language as arithmetic: frozen values in, frozen values out, time passed in.

The same code runs live and (later) in tests and backtests, so nothing here may know a clock, a
file or a coroutine. Design: rules.
"""
