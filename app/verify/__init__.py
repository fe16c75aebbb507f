"""The proof of the guarantees as a command: clients, faults, histories, and the judge of them."""
