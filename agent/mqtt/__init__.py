"""MQTT as sources and destinations share it: a broker's section, opening a connection, driving it, its reasons."""
