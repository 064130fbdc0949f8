"""What a unit's business functions require of its channel, derived step by step."""
