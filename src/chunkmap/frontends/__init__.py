"""Where people come in: the xarray engine, the command line, and verifying beside the formats' own libraries."""
