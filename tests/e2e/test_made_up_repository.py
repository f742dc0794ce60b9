"""A repository made up a moment ago builds as it is: odd names, a link, a mode bit, a new dependency."""

from __future__ import annotations

import json
import os
import secrets

import pytest

from tests.support.platform import Person

pytestmark = pytest.mark.e2e

APP = """
import getpass, http.server, json, os, pathlib, socket, ssl, stat, subprocess, tempfile, zoneinfo
import cowsay  # which the base image lacks

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        facts = {
            'nonce': open('nonce.txt').read().strip(),
            'dependency': cowsay.__name__,
            'link': os.readlink('link'),
            'through the link': open('link').read(),
            'executable': bool(os.stat('tool.sh').st_mode & stat.S_IXUSR),
            'tool says': subprocess.run(['./tool.sh'], capture_output=True, text=True).stdout.strip(),
            'names': sorted(os.listdir('names')),
            'root': os.getuid() == 0,
            'user': getpass.getuser(),
            'home': str(pathlib.Path.home()),
            'writes': [bool(tempfile.TemporaryFile(dir=folder)) for folder in (pathlib.Path.home(), '/tmp')],
            'tcp': socket.getprotobyname('tcp'),
            'https': socket.getservbyname('https'),
            'zone': str(zoneinfo.ZoneInfo('Europe/Berlin')),
            'encoding': open(os.devnull).encoding.lower(),
            'authorities': bool(ssl.create_default_context().cert_store_stats()['x509_ca']),
        }
        body = json.dumps(facts).encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *args):
        pass

http.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), Handler).serve_forever()
"""
NAMES = ["grüße-日本.txt", "a:b.txt", "with space.txt", "-dash.txt"]


def test_a_made_up_repository_is_built_as_it_is(person: Person) -> None:
    app = f"a{secrets.token_hex(3)}"
    nonce = secrets.token_hex(16)
    files = {
        "app.py": APP,
        "requirements.txt": "cowsay==6.1\n",
        "nonce.txt": nonce,
        "target.txt": "seen through the link",
        "tool.sh": "#!/bin/sh\necho tool ran\n",
        **{f"names/{name}": name for name in NAMES},
    }
    folder = person.repository(app, files)
    os.symlink("target.txt", folder / "link")
    (folder / "tool.sh").chmod(0o755)
    person.commit(folder, {}, "A link and a mode")
    person.git("checkout", "-q", "-b", "second", cwd=folder).ok()
    person.commit(folder, {"nonce.txt": "of the second branch"}, "Elsewhere")
    person.git("checkout", "-q", "main", cwd=folder).ok()
    person.paas("new-app", ".", "--name", app, cwd=folder).ok()

    person.git("push", "paas", "main", cwd=folder).ok()
    facts = json.loads(person.answer(app).text)
    assert facts == {
        "nonce": nonce,
        "dependency": "cowsay",
        "link": "target.txt",
        "through the link": "seen through the link",
        "executable": True,
        "tool says": "tool ran",
        "names": sorted(NAMES),
        "root": False,
        # what every small machine has
        "user": "app",
        "home": "/home/app",
        "writes": [True, True],
        "tcp": 6,
        "https": 443,
        "zone": "Europe/Berlin",
        "encoding": "utf-8",
        "authorities": True,
    }

    other = person.git("push", "paas", "second", cwd=folder).ok()
    assert "main" in other.said, "the branch that does deploy is named"
    assert json.loads(person.answer(app).text)["nonce"] == nonce
    assert len(person.instance.objects("builds", person.project)) == 1

    clone = person.home / "clone"
    remote = person.git("remote", "get-url", "paas", cwd=folder).ok().out.strip()
    settings = [
        argument
        for line in person.git("config", "--get-regexp", r"^(http|credential)\.", cwd=folder)
        .ok()
        .out.splitlines()
        for argument in ("-c", "=".join(line.split(" ", 1)))
    ]
    person.git(*settings, "clone", "-q", remote, str(clone), cwd=person.home).ok()
    assert (clone / "nonce.txt").read_text() == nonce
    assert sorted(path.name for path in (clone / "names").iterdir()) == sorted(NAMES)
    assert "second" in person.git("branch", "-r", cwd=clone).ok().out
