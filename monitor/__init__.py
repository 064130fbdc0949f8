"""When things are measured, and what happens with a reading."""
