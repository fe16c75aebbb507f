"""The proof of the guarantees as a command: clients, faults, histories, and the judge of them."""

from app.verify.command import add_parser, run

__all__ = ["add_parser", "run"]
