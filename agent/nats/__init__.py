"""NATS as destinations and relays share it: a cluster's section, one connection to it, its reasons."""
