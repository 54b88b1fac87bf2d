"""What `edge-relay doctor` examines: one file a subject, and one shape for whatever is found.

Rules for whoever adds to it: nothing is changed, nothing is kept, no event is sent, and nothing is taken from a
running agent, neither its store nor the only connection of a device; each wait ends; what the machine decides
(mount options, sysfs) is read by functions that are handed the text or the folder; no finding holds a secret,
or more of an address than its host and port.
"""
