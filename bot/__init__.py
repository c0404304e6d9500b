"""The machine that carries messages."""
