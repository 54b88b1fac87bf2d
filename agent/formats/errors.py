"""What a format may answer instead of a body."""


class FormatError(Exception):
    """This event cannot be written so; the text says why, for a person, without a secret."""
