"""Real servers for tests: each an async context manager on a private directory and port."""
