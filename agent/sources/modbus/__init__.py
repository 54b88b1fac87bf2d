"""Reads Modbus devices over TCP, TLS, serial lines and gateways to them; writes where a tag says `write`."""
