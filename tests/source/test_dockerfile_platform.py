"""The platform's variables that docker build fills in, and stages of other platforms."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paas.source.dockerfile_platform import ForeignPlatform, variables, with_platform


def test_the_variables_of_a_machine() -> None:
    assert variables("x86_64")["TARGETPLATFORM"] == "linux/amd64"
    arm = variables("armv7l")
    assert (arm["BUILDPLATFORM"], arm["TARGETVARIANT"]) == ("linux/arm/v7", "v7")


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("FROM x\nARG TARGETARCH\nRUN a\n", "FROM x\nARG TARGETARCH=amd64\nRUN a\n"),
        ("FROM x\narg TARGETOS TARGETARCH", "FROM x\narg TARGETOS=linux TARGETARCH=amd64"),
        ("ARG BUILDPLATFORM\r\nFROM x\r\n", "ARG BUILDPLATFORM=linux/amd64\r\nFROM x\r\n"),
        (
            "FROM x\nARG A=1 \\\n  # TARGETOS\n  TARGETOS \\\n  TARGETARCH\nRUN TARGETARCH\n",
            "FROM x\nARG A=1 \\\n  # TARGETOS\n  TARGETOS=linux \\\n  TARGETARCH=amd64\nRUN TARGETARCH\n",
        ),
        (
            "# escape=`\nFROM x\nARG TARGETOS `\n TARGETARCH\n",
            "# escape=`\nFROM x\nARG TARGETOS=linux `\n TARGETARCH=amd64\n",
        ),
    ],
)
def test_an_argument_without_a_default_gets_one(text: str, made: str) -> None:
    assert with_platform(text, "x86_64") == made


@pytest.mark.parametrize(
    "text",
    [
        "FROM x\nARG TARGETARCH=arm64\n",
        "FROM x\nARG A=TARGETARCH MY_TARGETARCH TARGETARCHS\n",
        "FROM x\nENV TARGETARCH\nRUN TARGETARCH\n# ARG TARGETARCH\n",
        "FROM x\nRUN <<EOF\nARG TARGETARCH\nEOF\n",
        "FROM --platform=linux/amd64 x\nFROM --platform=$BUILDPLATFORM y\n",
        "FROM --platform=${TARGETPLATFORM:-z} y\n",
        "FROM --platform=linux/x86_64 x\nFROM --platform=$MINE y\nFROM --platform=linux y\n",
        "",
        "ARG TARGETARCH \\",
    ],
)
def test_everything_else_stays_as_it_is(text: str) -> None:
    assert with_platform(text, "x86_64").replace("ARG TARGETARCH=amd64 \\", "ARG TARGETARCH \\") == text


@pytest.mark.parametrize("platform", ["linux/arm64", "linux/arm/v7", "windows/amd64", '"linux/arm64"'])
def test_a_stage_of_another_platform_is_named_by_line(platform: str) -> None:
    with pytest.raises(ForeignPlatform, match=r"line 2: FROM --platform=.*linux/amd64"):
        with_platform(f"FROM x\nFROM --platform={platform} y\n", "x86_64")


PIECES = st.sampled_from(
    [
        "FROM --platform=", "$TARGETPLATFORM", "${", "linux/arm64", " x\n", "ARG ", "TARGETARCH",
        "TARGETOS\\\n",
        "# escape=`\n", "`\n", "\ufeff", "\r\n", "\x0b", "=", " ", "RUN <<E\n", "E\n", "\n", "#",
    ]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_any_text_keeps_its_lines(text: str) -> None:
    with contextlib.suppress(ForeignPlatform):
        made = with_platform(text, "x86_64")
        assert len(made.splitlines()) == len(text.splitlines())
