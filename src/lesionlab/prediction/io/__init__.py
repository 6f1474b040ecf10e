"""Input files, patient tables and result files."""
