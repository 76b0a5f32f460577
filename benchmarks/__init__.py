"""Measurements that the default pipeline does not make: `python -m benchmarks.<name>`."""
