"""The HTTP API for back ends: who may ask, what is done, how it is answered."""
