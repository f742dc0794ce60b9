"""An application across kinds: its summary, what happens to a Build until it is live, and logs."""
