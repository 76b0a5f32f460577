"""Confidence intervals and significance tests over papers."""
