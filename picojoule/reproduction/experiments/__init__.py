"""One file reproduces one published result; each defines `EXPERIMENT`. The registry finds them by their file names."""
