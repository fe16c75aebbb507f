"""`parley chat`: the terminal client, and the same for pipes."""

from app.terminal.command import add_parser, run

__all__ = ["add_parser", "run"]
