"""Cycles of Gemmini, a systolic-array accelerator, predicted from a layer's shape and its mapping, and held against its RTL.

rows.py           the measured rows: a CSV of shape, mapping and cycles
mapping_text.py   the mapping strings and their grammar
program.py        what the accelerator is told to do: tiles, instructions, requests, pages
latency.py        cycles from those counts and a dozen physical parameters
fit.py            the parameters, fitted to some shapes and judged on others
"""
