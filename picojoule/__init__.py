"""picojoule: what an inference costs in joules and seconds, what the best mapping is, with a proof."""

__version__ = "0.1.0"
