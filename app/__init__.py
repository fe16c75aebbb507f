"""Parley: a self-hosted group chat that scales out over Redis."""

__version__ = "0.1.0"
