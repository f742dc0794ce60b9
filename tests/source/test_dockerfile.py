"""Dockerfiles as their reference has them: instructions, here-documents, EXPOSE; and what is refused."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paas.api.names import Reason
from paas.source.buildpacks import load
from paas.source.detect import Detected, Unbuildable, detect
from paas.source.dockerfile import exposed, parse
from paas.source.trees import FolderTree


def found(root: Path, text: str) -> Detected:
    (root / "Dockerfile").write_text(text)
    return detect(FolderTree(root), load())


def keywords(text: str) -> list[tuple[int, str]]:
    return [(each.line, each.keyword) for each in parse(text).instructions]


@pytest.mark.parametrize(
    ("text", "instructions"),
    [
        ("\ufeff# c\nFROM x\n\n  run a\n", [(2, "FROM"), (4, "RUN")]),
        ("RUN a \\\n  # comment\n\n  b\nCMD c\r\n", [(1, "RUN"), (5, "CMD")]),
        ("RUN a \\  \n b\nCMD c", [(1, "RUN"), (3, "CMD")]),
        ("# escape=`\nRUN a `\n b\nCOPY c:\\ d:\\\nCMD c", [(2, "RUN"), (4, "COPY"), (5, "CMD")]),
        ("# syntax=docker/dockerfile:1\n# escape = `\nRUN a `\nb", [(3, "RUN")]),
        ("# a comment\n# escape=`\nRUN a `\nCMD b", [(3, "RUN"), (4, "CMD")]),
        ("RUN <<EOF\nFROM y\nEXPOSE 1\nEOF\nCMD a", [(1, "RUN"), (5, "CMD")]),
        ("RUN <<-'E' cat <<F\n\tE\nFROM y\nF\nCMD a", [(1, "RUN"), (5, "CMD")]),
        ("COPY <<a <<b /x/\n1\na\n2\nb\nCMD a", [(1, "COPY"), (6, "CMD")]),
        ("RUN echo $((1 << 2)) '<<EOF' \"a <<EOF b\"\nCMD a", [(1, "RUN"), (2, "CMD")]),
        ("RUN cat <<<EOF\nCMD a", [(1, "RUN"), (2, "CMD")]),
        ("ONBUILD RUN <<EOF\nCMD b\nEOF\nCMD a", [(1, "RUN"), (4, "CMD")]),
        ("ENV A=<<EOF\nCMD a", [(1, "ENV"), (2, "CMD")]),
        ("RUN <<EOF\nnever ended\n", [(1, "RUN")]),
    ],
)
def test_lines_of_instructions(text: str, instructions: list[tuple[int, str]]) -> None:
    assert keywords(text) == instructions


@pytest.mark.parametrize(
    ("text", "ports", "unclear"),
    [
        ("FROM x\nARG WEB_PORT=3000\nENV LISTEN=${WEB_PORT}\nEXPOSE ${WEB_PORT}/tcp", {3000}, ()),
        ("FROM x\nENV PORT 80\nEXPOSE $PORT 53/udp", {80}, ()),
        ("FROM x\nENV A=80 B=$A\nEXPOSE $B", set(), (3,)),
        ("FROM x\nENV A=80\nENV B=${A}80\nEXPOSE $B", {8080}, ()),
        ("ARG P=81\nFROM x\nEXPOSE $P", set(), (3,)),
        ("ARG P=81\nFROM x\nARG P\nEXPOSE $P", {81}, ()),
        ("FROM x\nARG P=1\nENV P=2\nARG P=3\nEXPOSE $P", {2}, ()),
        ("FROM x\nEXPOSE ${P:-90} ${Q:+91}", {90}, ()),
        ("FROM x\nENV P='8 0'\nEXPOSE $P", {8, 0} - {0}, (3,)),
        ("FROM x\nEXPOSE \\$P", set(), (2,)),
        ('FROM x\nEXPOSE "8080"', {8080}, ()),
        ("FROM x\nEXPOSE 8000-8002/TCP", {8000, 8001, 8002}, ()),
        ("FROM x AS a\nEXPOSE 1\nFROM y\nEXPOSE 2", {2}, ()),
        ("FROM x AS a\nENV P=1\nARG Q=5\nEXPOSE $P\nFROM A AS b\nFROM b\nEXPOSE $P $Q", {1}, (7,)),
        ("FROM x\nEXPOSE 70000", set(), (2,)),
        ("FROM x", set(), ()),
    ],
)
def test_ports(text: str, ports: set[int], unclear: tuple[int, ...]) -> None:
    seen, lines = exposed(parse(text))
    assert lines == unclear
    if not unclear:
        assert seen == ports


def test_a_port_by_variable_is_found_and_one_that_is_unclear_is_said(tmp_path: Path) -> None:
    seen = found(tmp_path, "FROM x\nARG P=3000\nEXPOSE ${P}/tcp\n")
    assert seen.port == 3000
    unclear = found(tmp_path, "FROM x\nEXPOSE $P\n")
    assert unclear.port is None
    assert any("EXPOSE in line 2" in line and "--port" in line for line in unclear.found)
    several = found(tmp_path, "FROM x\nEXPOSE 80 443\n")
    assert any("80, 443" in line and "--port" in line for line in several.found)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("FROM x\nRUN <<EOF\nmkdir /a\nEOF\n", ["line 2: RUN <<EOF", "here-documents", "&&"]),
        ("FROM x\nRUN python3 <<'EOF'\nprint()\nEOF\n", ["line 2: RUN <<EOF"]),
        ("FROM x\n\nCOPY <<EOF /a\nb\nEOF\n", ["line 3: COPY <<EOF", "commit the file"]),
        ("FROM x\nRUN --mount=type=bind,target=/a,source=b ls\n", ["line 2: RUN --mount=type=bind", "COPY"]),
        ("FROM x\nRUN --mount=target=/a ls\n", ["--mount=type=bind"]),
        ("FROM x\nRUN --mount=type=secret,id=a cat\n", ["--mount=type=secret", "paas set env"]),
        ("FROM x\nRUN --mount=type=ssh git clone y\n", ["--mount=type=ssh"]),
        ("FROM x\nADD --checksum=sha256:0 https://a/b /c\n", ["--checksum", "sha256sum"]),
        ("FROM x\nADD https://github.com/a/b.git#v1 /c\n", ["git repositories"]),
        ("FROM x\nADD git@github.com:a/b.git /c\n", ["git repositories"]),
        ("FROM x\nCOPY --parents a/b /c/\n", ["line 2: COPY --parents", "each folder"]),
        ("FROM x\nCOPY --exclude=*.md . /c/\n", ["line 2: COPY --exclude=*.md", ".dockerignore"]),
        ("FROM x\nCOPY --chmod=u+x a /c/\n", ["line 2: COPY --chmod=u+x", "755"]),
        ("FROM x\nCOPY --chmod=4755 a /c/\n", ["line 2: COPY --chmod=4755", "RUN chmod 4755"]),
        ("FROM x\nADD --chown=:5 a /c/\n", ["line 2: ADD --chown=:5", "--chown=0:5"]),
        ("FROM x\nRUN <<A\nA\nRUN --mount=type=ssh y\n", ["line 2", "line 4"]),
    ],
)
def test_what_would_be_left_out_of_the_image_is_refused_by_line(
    tmp_path: Path, text: str, says: list[str]
) -> None:
    with pytest.raises(Unbuildable) as raised:
        found(tmp_path, text)
    assert raised.value.reason is Reason.MANAGE_DOCKERFILE_FAILED
    for words in ("Dockerfile", *says):
        assert words in raised.value.message


def test_a_cache_mount_is_named_and_built(tmp_path: Path) -> None:
    seen = found(
        tmp_path, "FROM x\nRUN --mount=type=cache,target=/root/.cache --network=none pip install y\n"
    )
    assert (
        "Dockerfile, line 2: RUN --mount=type=cache has no effect: each build starts without it" in seen.found
    )
    assert "Dockerfile, line 2: RUN --network=none has no effect" in seen.found


@pytest.mark.parametrize(
    "text",
    [
        "FROM x\nRUN echo '--mount=type=bind'\nRUN echo --mount=type=secret\n",
        "FROM x\nCOPY --link --chown=1:1 --chmod=755 a b\nADD https://a/b.tar.gz /c\n",
        "FROM x\nARG M=1\nCOPY --chown=$U:$G --chmod=$M a b\nCOPY --chmod=0644 --chown=app a b\n",
        "FROM x\nCMD cat <<EOF\n",
        "FROM x\n# RUN <<EOF\nRUN a \\\n# <<EOF\n b\n",
    ],
)
def test_what_only_looks_like_it_is_built(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text).dockerfile == text


LINES = st.sampled_from(
    [
        "FROM x AS y", "FROM y", "ARG P=1", "ARG P", "ENV A=$P B='$P'", "ENV A ${A:-2}", "EXPOSE $A ${B}",
        "RUN a \\", "\\", "# escape=`", "a `", "COPY <<E /x", "E", "\tE", "'", '"', "${",
        "RUN <<-'E'", "<<", "",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(LINES, st.text(max_size=20)), max_size=12))
def test_any_text_is_read_to_its_end(lines: list[str]) -> None:
    parsed = parse("\n".join(lines))
    numbers = [each.line for each in parsed.instructions]
    assert numbers == sorted(set(numbers))
    exposed(parsed)


def test_values_that_grow_with_each_line_stay_small() -> None:
    lines = ["FROM scratch", "ENV A0=xxxxxxxxxx"]
    lines += [f"ENV A{n}={f'$A{n - 1}' * 10}" for n in range(1, 40)]
    assert exposed(parse("\n".join([*lines, "EXPOSE $A39"]))) == (frozenset(), (len(lines) + 1,))


def test_braces_without_an_end_cost_no_more_than_their_length() -> None:
    began = time.process_time()
    exposed(parse("FROM scratch\nENV A=" + "${a-" * 14_000 + "\nEXPOSE 80"))
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    "text",
    [
        f"# a=x{' ' * 59_000}y\nFROM a",
        "\n".join("FROM a AS a" for _ in range(5_000)),
        "FROM a\n" + "\n".join(f"ENV a{n}=b" for n in range(5_000)),
        "FROM a\n" + "\n".join(f"ARG a{n}=b" for n in range(5_000)),
    ],
    ids=["directive", "stages", "ENV", "ARG"],
)
def test_no_line_costs_more_than_its_length(text: str) -> None:
    """It is read in the server, which answers nobody while a regular expression is at work."""
    began = time.process_time()
    exposed(parse(text[:60_000]))
    assert time.process_time() - began < 1


def test_a_stage_starts_from_the_last_one_of_its_name_before_it() -> None:
    text = (
        "FROM x AS a\nEXPOSE 1\nFROM a AS a\nEXPOSE 2\nFROM y AS b\nEXPOSE 3\nFROM a\nEXPOSE 4\nFROM b AS a"
    )
    assert exposed(parse(text)) == (frozenset({3}), ())
    assert exposed(parse(text.rpartition("\n")[0])) == (frozenset({1, 2, 4}), ())
