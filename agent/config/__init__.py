"""Configuration: YAML with positions in, frozen models out, every error at once."""
