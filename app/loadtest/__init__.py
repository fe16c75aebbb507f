"""A load test as a command: browsers and sockets, an open model, every delivery accounted for, a verdict."""
