"""Report, tables, charts and model cards."""
