"""Trained models asked about a user's own texts: by `papertrail` on the command line, and by its page."""
