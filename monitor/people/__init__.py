"""What people do: acknowledge, close, announce work."""
