"""What every HTTP endpoint needs."""
