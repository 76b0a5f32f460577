"""Raw files from their providers, checked by sha256, unpacked and converted."""
