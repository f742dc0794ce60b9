"""Small applications that the tests push."""

from __future__ import annotations


def python_app(text: str) -> dict[str, str]:
    """A web server of the standard library that answers `text` and the commit it was built from."""
    return {
        "app.py": (
            "import http.server, os\n"
            f"TEXT = {text!r}\n"
            "class Handler(http.server.BaseHTTPRequestHandler):\n"
            "    protocol_version = 'HTTP/1.1'\n"
            "    def do_GET(self):\n"
            "        body = (TEXT + '\\n').encode()\n"
            "        self.send_response(200)\n"
            "        self.send_header('Content-Length', str(len(body)))\n"
            "        self.end_headers()\n"
            "        self.wfile.write(body)\n"
            "    def log_message(self, *args):\n"
            "        pass\n"
            "http.server.ThreadingHTTPServer(('', int(os.environ['PORT'])), Handler).serve_forever()\n"
        ),
        "requirements.txt": "",
    }
