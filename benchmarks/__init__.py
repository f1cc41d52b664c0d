"""What is measured, never asserted on time: python -m benchmarks."""
