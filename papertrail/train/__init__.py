"""Training: classifiers, encoder, retriever, summarizer."""
