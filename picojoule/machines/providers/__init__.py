"""One file brings machines into the comparison: it defines `names()` and `machine(name)`; `machines.py` finds it by itself."""
