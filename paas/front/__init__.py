"""The front: registry tokens and webhooks. It keeps nothing, so several of it serve at once, and one that
dies is missed by nobody. What needs the repositories is in `paas.server`."""
