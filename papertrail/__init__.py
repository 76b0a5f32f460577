"""Papertrail: reproducible experiments in scholarly NLP."""
