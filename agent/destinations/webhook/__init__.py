"""Webhooks: one signed POST for each event."""
