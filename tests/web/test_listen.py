"""Programs with endpoints have one command line, and the manifests start them with it."""

from __future__ import annotations

import pytest

from paas.web import health
from paas.web.listen import Listen, listen


def test_a_pod_listens_where_its_manifest_says() -> None:
    assert listen("paas.front", None, []) == Listen("0.0.0.0", 8000, health.PORT)
    given = ["--host", "127.0.0.1", "--port", "18000", "--health-port", "18001"]
    assert listen("paas.front", None, given) == Listen("127.0.0.1", 18000, 18001)


def test_a_wrong_command_line_ends_the_program_with_its_name(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        listen("paas.front", None, ["--port", "http"])
    assert ended.value.code == 2
    assert "python -m paas.front: error: argument --port" in capsys.readouterr().err
