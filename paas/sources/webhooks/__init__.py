"""Webhooks of git hosts: one module a host, pure; `front` does the talking.

A host's module says how its deliveries prove who sent them and what they tell. Hosts that are not built
yet answer like names that do not exist.
"""
