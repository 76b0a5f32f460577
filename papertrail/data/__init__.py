"""Data sets: sources, file formats, tasks, leakage checks."""
