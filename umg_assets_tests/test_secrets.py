"""Secrets planted in each setting and variable that can hold one: no output, no log, no file of Dagster's has them."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from umg_assets.build import build_definitions
from umg_assets.resources.engine import Engine, EngineError
from umg_assets.text import HIDDEN, redacted
from umg_assets_tests.cli.conftest import type_umg
from umg_assets_tests.daemon import Daemon
from umg_assets_tests.lake import Lake
from umg_assets_tests.processes import run_python

pytestmark = pytest.mark.sail_enough

TOKEN, HEADER, PASSWORD, OTHER = "tok.EN-4711/x", "head_er4712", "pass-WORD4713", "conn-TOKEN4714"
PLANTED = (TOKEN, HEADER, PASSWORD, OTHER)
UMG = "import sys; sys.argv[0] = 'umg'; from umg_assets.cli.main import main; main()"


def _found(text: str) -> list[str]:
    return [secret for secret in PLANTED if secret in text]


@pytest.fixture
def variables(lake: Lake) -> dict[str, str]:
    """An environment with secrets; nobody answers at the addresses."""
    return {
        "UMG_HOME": str(lake.home),
        "UMG_ENGINE": "spark",
        "UMG_SPARK_REMOTE": f"sc://127.0.0.1:1/;token={TOKEN};use_ssl=true;x-key={HEADER}",
        "SPARK_CONNECT_AUTHENTICATE_TOKEN": OTHER,
        "DAGSTER_PG_URL": f"postgresql+psycopg2://umg:{PASSWORD}@127.0.0.1:1/dagster",
    }


def _files(home: Path) -> Iterator[Path]:
    return (path for path in home.rglob("*") if path.is_file() and path.name != "umg.toml")


def test_what_dagster_stores_of_the_engine_has_no_secret(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    engine = Engine.of(lake.settings)
    stored = f"{engine!r} {engine.model_dump_json()} {build_definitions(lake.settings).resources}"
    assert "sc://127.0.0.1:1/" in stored
    assert not _found(stored)
    with pytest.raises(EngineError, match=r"no Spark Connect server answers at sc://127\.0\.0\.1:1/: start it"):
        _ = engine.spark_session


@pytest.mark.exhaustive
def test_a_run_that_fails_tells_and_stores_no_secret(lake: Lake, variables: dict[str, str]):
    lake.drop_plays("2026-03-02", [("p1", "u1", "", "t1", "2026-03-02T10:00:00Z", 1, "AT")])
    for arguments in (["run"], ["--debug", "run"], ["doctor"]):
        done = run_python(UMG, *arguments, env=variables)
        assert "no Spark Connect server answers at sc://127.0.0.1:1/" in done.stdout + done.stderr.replace("\n", " ")
        assert not _found(done.stdout + done.stderr), arguments
    stored = list(_files(lake.home / "dagster"))
    assert any(path.suffix == ".db" for path in stored)
    for path in _files(lake.home):
        assert not _found(path.read_bytes().decode("latin-1")), path


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "remote",
    [
        f"sc://127.0.0.1:port/;token={TOKEN}",
        f"sc://127.0.0.1:15002;token={TOKEN}",
        f"http://127.0.0.1:{{port}}/;token={TOKEN}",
        f"sc://127.0.0.1:{{port}}/;token={TOKEN};nonsense",
        f"sc://umg:{PASSWORD}@127.0.0.1:1/",
    ],
)
def test_an_address_that_is_wrong_is_named_without_its_secret(lake: Lake, variables: dict[str, str], remote: str):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        given = {**variables, "UMG_SPARK_REMOTE": remote.format(port=listening.getsockname()[1])}
        done = run_python(UMG, "doctor", env=given)
    assert done.returncode == 1
    assert not _found(done.stdout + done.stderr)


@pytest.mark.parametrize(
    "line", ["spark_remote = {}", 'spark_remote = ["{}"]', 'spark_remot = "{}"', 'spark_remote = "{}']
)
def test_a_mistake_in_the_settings_is_told_without_the_secret(lake: Lake, line: str):
    address = f"sc://lake.example/;token={TOKEN};x-key={HEADER}"
    (lake.home / "umg.toml").write_text(f"{line.format(address)}\n")
    for arguments in (["doctor"], ["run"], ["--debug", "run"]):
        done = type_umg(lake.home, *arguments, home=lake.home)
        assert done.code == 1
        assert "umg.toml:1" in done.err or arguments == ["doctor"], "its table is wrapped"
        assert not _found(done.out + done.err)


@pytest.mark.exhaustive
def test_a_database_that_does_not_answer_is_told_without_its_password(lake: Lake, variables: dict[str, str]):
    folder = lake.home / "dagster"
    folder.mkdir()
    (folder / "dagster.yaml").write_text("storage:\n  postgres:\n    postgres_url:\n      env: DAGSTER_PG_URL\n")
    for url in (variables["DAGSTER_PG_URL"], f"postgresql:/umg:{PASSWORD}", f"postgresql://u:{PASSWORD}@[x/d"):
        given = {**variables, "DAGSTER_PG_URL": url, "UMG_ENGINE": "sail", "UMG_SPARK_REMOTE": ""}
        for arguments in (["run"], ["--debug", "run", "--explain"], ["doctor"]):
            done = run_python(UMG, *arguments, env=given)
            assert not _found(done.stdout + done.stderr), (url, arguments)


@pytest.mark.exhaustive
def test_dagsters_page_of_resources_shows_no_secret(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    (lake.home / "umg.toml").write_text(f'engine = "spark"\nspark_remote = "{variables["UMG_SPARK_REMOTE"]}"\n')
    daemon = Daemon(lake, web=True)
    daemon.start()
    try:
        shown = daemon.post(
            "{ repositoriesOrError { ... on RepositoryConnection { nodes { allTopLevelResourceDetails {"
            " name description configuredValues { key value type }"
            " configFields { name description isRequired defaultValueAsJson } } } } }"
            " instance { info } }"
        )
    finally:
        daemon.kill()
    text = json.dumps(shown)
    assert "sc://127.0.0.1:1/" in text
    assert not _found(text)
    for path in _files(lake.home):
        assert not _found(path.read_bytes().decode("latin-1")), path


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sc://h:1/;token=abc;use_ssl=true", f"sc://h:1/;token={HIDDEN};use_ssl=true"),
        ("'sc://h/;TOKEN=abc'", f"'sc://h/;TOKEN={HIDDEN}'"),
        ("postgresql+psycopg2://u:p%40ss@h/d?sslmode=require", f"postgresql+psycopg2://u:{HIDDEN}@h/d?sslmode=require"),
        ("postgresql://h/d?user=u&password=abc&x=1", f"postgresql://h/d?user=u&password={HIDDEN}&x=1"),
        ("smtp://:abc@h", f"smtp://:{HIDDEN}@h"),
        ("host=h password=abc dbname=d", f"host=h password={HIDDEN} dbname=d"),
        ("Authorization: Bearer abc.def", f"Authorization: Bearer {HIDDEN}"),
        ("https://h/?api_key=abc&token_id=2", f"https://h/?api_key={HIDDEN}&token_id={HIDDEN}"),
        ("http://h:80/a@b and u@h", "http://h:80/a@b and u@h"),
    ],
)
def test_addresses_lose_their_passwords_tokens_and_keys(text: str, shown: str):
    assert redacted(text) == shown
