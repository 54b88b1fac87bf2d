"""What becomes of a message that came in: pure decisions over frozen values (design: inbound).

verify -> deduplicate -> store -> act -> report. Here is what is decided: whose a message is, which route
takes it, whether it is too old, and whether a machine may be written to. Who asks the relays and who
acts is the shell's.
"""
