"""`parley doctor`: what settings, machine, Redis and proxy mean for the promises, and what to do."""

from app.doctor.command import add_parser, run

__all__ = ["add_parser", "run"]
