"""The wire protocol, version 1: typed messages, their codec, names and close codes."""
