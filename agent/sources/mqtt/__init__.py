"""MQTT: tags that arrive as messages from a broker."""
