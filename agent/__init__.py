"""Edge Relay: from PLC readings to signed webhooks, behind the factory firewall.

Three ideas carry the house. The core is arithmetic: rules, retry decisions, signing and decoding
are pure functions over frozen values, with time and randomness passed in. When `emit` returns, the
consequence is on disk. A delivery ends only by a word. Imports point one way: cli -> app -> shell
-> core (`tests/test_imports.py` holds it).
"""

__version__ = "0.1.0"
# No wall clock that runs this program stands before it; changed with each release.
__released__ = "2026-11-01"
