"""Changing the hardware: comparisons of chips that a question spans."""
