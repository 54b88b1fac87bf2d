"""What becomes of an event on its way to a receiver: decided here, done elsewhere.

Rules for whoever changes this folder: pure functions over values, time and dice passed in, no
await, no I/O, nothing imported but the standard library and the model (architecture, idea 1).
"""
