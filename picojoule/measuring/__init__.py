"""Measuring on the machine at hand: what it is, how time and energy are taken, kernels, networks, scenarios, ceilings."""
