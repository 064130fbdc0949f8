"""What is watched: units, their assets and the checks on them, loaded from files that people edit."""
