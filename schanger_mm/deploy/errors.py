"""Mistakes around exported files."""


class DeployError(ValueError):
    """A network cannot be exported as asked, or an exported file cannot be run on what it was given."""
