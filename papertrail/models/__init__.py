"""Models: heads, encoding, batching, ranking, index."""
