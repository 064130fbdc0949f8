"""Tests mirror the packages; real servers are started by `tests.servers`."""
