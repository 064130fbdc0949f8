"""Messages as they are queued, and when they give way to a summary: what the store and the alerts share."""
