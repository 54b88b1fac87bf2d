"""HTTP to somewhere else, as everyone in the house speaks it: access, TLS, proxies, names and errors.

Shared by destinations and relays, of which none may import the other.
"""
