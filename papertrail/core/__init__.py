"""Foundations: parameters, errors, runtime, rows, files, random draws."""
