"""The tables of the page, each by itself: see `agent.web.tables` for what is in them.

Rules for whoever changes this folder: a row holds stamps and no ages, so that nothing changes by itself; a row
that has not changed is the very object of before, and so is a table; what a stranger wrote is cut (`text`).
"""
