"""Other ways to compute the same convolution or product: im2col, Winograd, FFT, Strassen. Each is executable and costed.

Lossless means equal in integer or rational arithmetic, for every input; floating-point errors are measured (`errors.py`).
"""
