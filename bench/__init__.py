"""Measures Parley beside other chat servers: fan-out, idle memory, connecting, send to ack.

``python -m bench --help`` says how to run it, docs/performance.md what the figures mean.
"""
