"""The server: the process with the repositories, which receives pushes and hands sources out. It assembles
the rooms and hands each what it needs of other rooms. What needs no repository is in `paas.front`."""
