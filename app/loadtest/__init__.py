"""A load test as a command: browsers and sockets, an open model, every delivery accounted for, a verdict."""

from app.loadtest.command import add_parser, run

__all__ = ["add_parser", "run"]
