"""What can be wrong with data."""


class DataError(Exception):
    """A data set cannot be used: the reason and the way out, in one line."""
