"""Readers of raw formats. One module each."""
