"""The one file of state: events until they are delivered, rule state, what became of each delivery.

The only SQL of the program is in this folder; the rest of the house sees `Store` and `records`.
"""
