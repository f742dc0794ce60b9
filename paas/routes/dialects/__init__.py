"""One module a dialect: Intent in, manifests out."""
