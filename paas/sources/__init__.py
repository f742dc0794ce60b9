"""Where source comes from: hosted git repositories and their receive path, webhooks of git hosts,
detection and rendering of how to build it, and `fetch`, which runs inside build pods."""
