"""A technician's run: readings that a laptop at the site makes, signed, carried here and taken in."""
