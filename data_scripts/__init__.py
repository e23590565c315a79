"""Command lines that fetch and prepare data sets, over `gsutils.data.fetch`."""
