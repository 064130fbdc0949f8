"""The daemon's child process, which reads the files and judges the units, and what goes between them."""
