"""Real machines: measurements of their kernels, calibrated models of them, whole networks predicted from layers."""
