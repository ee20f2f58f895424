"""One run: what is declared and wanted, what it is wired from, and who is told."""
