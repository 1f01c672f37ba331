"""Changing the network: fewer channels, weights, ranks and bits, with its accuracy measured and its savings priced."""
