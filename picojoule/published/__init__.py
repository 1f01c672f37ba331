"""Published facts as data, and published results as experiments: predicted beside reported."""
