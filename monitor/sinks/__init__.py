"""Where readings and events go besides the store: cursors over it, never in the way of it."""
