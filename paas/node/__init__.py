"""The embedded cluster: a real single-node Kubernetes in namespaces of its own on one Linux machine.

Flow of `paas up`: `doctor` (can this machine?) → `packages` and `build` (binaries, from the cache or
compiled) → `images` (pause, Kaniko, runtimes) → `instance` (keys, configuration, start) → `supervise`
(the init process inside the namespaces, which starts and watches the components) → `bringup` (what the
cluster needs before anything can run in it, then the platform). `config` and `pki` say what is rendered
and signed, `components` what is compiled.
"""
