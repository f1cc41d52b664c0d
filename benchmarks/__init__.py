"""Benchmarks: python -m benchmarks. No test asserts on time."""
