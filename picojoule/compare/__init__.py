"""Platforms side by side: one network on many machines, where the ranking flips, which machine qualifies, what to change."""
