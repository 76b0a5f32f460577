"""HTTP server: JSON endpoints and web pages."""
