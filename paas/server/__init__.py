"""The server: git receive path, webhooks, registry tokens, health. It assembles the rooms' routers and
hands each what it needs of other rooms."""
