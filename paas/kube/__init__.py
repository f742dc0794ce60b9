"""The one door to the API server: client, watches, view, lease, discovery, and why a pod does not run."""
