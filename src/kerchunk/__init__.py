"""Names that kerchunk users import."""
