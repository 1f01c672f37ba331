"""Real machines: what was measured on them, models calibrated against it, and other ways to compute a kernel."""
