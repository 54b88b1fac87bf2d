"""Proving from a receiver's log alone that nothing was lost, or naming what was (design: delivery, "The promise").

Each event names the `seq` before it that was addressed to the same destination (`previous`). So an event
that was received covers all numbers from there to its own: of those in between none was addressed to
this destination. What is covered joins to one stretch when nothing is missing; where two stretches do not
meet there is a hole, and its last number is one that somebody has named and nobody has received.

    chain      stretches of numbers: what covers what, and the holes between
    entries    a line of a log, whatever its envelope, as the facts that count
    streams    the facts of one agent, one epoch, one destination, added up
    statement  what they prove: complete, or holes with their causes

Rules for whoever changes this: pure; the agent's own count takes no part in it; memory grows with the
number of holes, never with the number of events.
"""
