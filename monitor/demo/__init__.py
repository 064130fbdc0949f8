"""Muster shown with no configuration: services on loopback, and the files that watch them."""
