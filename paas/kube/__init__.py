"""What every kind shares: names, metadata, conditions, plans, and the one door to the API server."""
