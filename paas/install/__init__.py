"""The platform's own manifests, for any cluster."""
