"""bottle: each coding agent in a sealed container with exactly what its manifest grants."""

__version__ = "0.1.0"
