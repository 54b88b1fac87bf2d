"""What messages ask for is done: values written to machines, alarms handled, events replayed; each once.

`actor` takes one message after the other, in a `lane` for each kind of deed; `writing`, `handling` and `replaying` do what it asks for;
`machines` reaches the devices, and `journal` says on disk what is begun and what became of it.
"""
