"""The command `papertrail`."""
