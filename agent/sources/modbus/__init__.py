"""Reads Modbus devices over TCP, and RTU devices behind a serial-to-TCP gateway."""
