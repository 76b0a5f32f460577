"""Experiments: check parameters, apply profiles, compare revisions, study seeds."""
