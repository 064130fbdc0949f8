"""The process itself: its loop, lock, logs, service manager and end."""
