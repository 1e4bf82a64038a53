"""Files, and exchange with other frameworks."""
