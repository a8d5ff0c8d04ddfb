"""qks: tag and search a photo library with your own words, offline."""

__version__ = "0.1.0"
