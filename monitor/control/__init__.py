"""What may be asked of a running daemon, over its socket."""
