"""Interfaces to other systems, gone through as the business goes through them: calls, files, mails."""
