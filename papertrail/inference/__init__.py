"""Trained models on a user's own texts, papers and bibliographies."""
