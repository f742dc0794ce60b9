"""Every kind as data: spec, status, columns and rules; names, labels and resources."""
