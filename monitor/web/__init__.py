"""The aiohttp application: health, metrics, API and the board."""
