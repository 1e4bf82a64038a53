"""Kernels for the CPU, emitted through LLVM."""
