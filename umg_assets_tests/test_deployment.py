"""deployment/: what a company copies fits its formats, the code, and itself."""

import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main
import yaml
from dagster._cli import create_dagster_cli

from umg_assets.cli.main import app
from umg_assets.resources.engine import _JAVA_VERSIONS, DELTA_JAR
from umg_assets.settings.model import read_settings
from umg_assets_tests.daemon import awaited, free_port
from umg_assets_tests.postgres import BINARIES, postgres
from umg_assets_tests.processes import PATIENCE, need_package, own_environment

pytestmark = pytest.mark.sail_enough

PROJECT = Path(__file__).parents[1]
FOLDER = PROJECT / "deployment"
DOCKERFILE = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
README = (FOLDER / "README.md").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))
SERVICE = COMPOSE["services"]["umg"]
MANIFESTS = {
    file.name: list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    for file in sorted((FOLDER / "kubernetes").glob("*.yaml"))
}
OBJECTS = [each for manifest in MANIFESTS.values() for each in manifest]
WORKLOADS = [each for each in OBJECTS if each["kind"] in ("StatefulSet", "Deployment")]
PODS = {each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in WORKLOADS}
KUBERNETES = "1.37"
"""The newest whose schemas kubernetes-validate ships."""


class Container(NamedTuple):
    """A container of the image, by Compose or by Kubernetes."""

    name: str
    words: list[str]
    variables: Mapping[str, Any]
    mounts: Mapping[str, str]
    """What is mounted, by the path where."""


def containers() -> Iterator[Container]:
    """Every container of the image."""
    mounts = {volume["target"]: volume["source"] for volume in SERVICE["volumes"] if isinstance(volume, dict)}
    yield Container("compose", SERVICE["command"], SERVICE["environment"], mounts)
    for pod, spec in PODS.items():
        claims = {
            volume["name"]: volume.get("persistentVolumeClaim", {}).get("claimName") for volume in spec["volumes"]
        }
        for each in spec["containers"]:
            variables = {variable["name"]: variable for variable in each.get("env", [])}
            mounts = {mount["mountPath"]: claims[mount["name"]] or mount["name"] for mount in each["volumeMounts"]}
            yield Container(pod, each.get("command") or each["args"], variables, mounts)


CONTAINERS = {container.name: container for container in containers()}


def image_variables() -> dict[str, str]:
    """The variables that the image sets; PATH as it is here."""
    (block,) = re.findall(r"^ENV ((?:.*\\\n)*.*)$", DOCKERFILE, re.MULTILINE)
    return {name: value for name, _, value in (word.partition("=") for word in block.split() if word != "\\")} | {
        "PATH": os.environ["PATH"]
    }


def test_the_compose_file_fits_the_compose_specification():
    need_package("check-jsonschema")
    schema = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    done = subprocess.run([*schema, FOLDER / "compose.yaml"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_fits_the_schemas_of_kubernetes(name: str):
    need_package("kubernetes-validate")
    kubernetes_validate = importlib.import_module("kubernetes_validate")
    for each in MANIFESTS[name]:
        kubernetes_validate.validate(each, KUBERNETES, strict=True)


def test_kustomize_creates_every_manifest_and_the_settings():
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
    assert sorted(kustomization["resources"]) == [f"kubernetes/{name}" for name in MANIFESTS]
    (generated,) = kustomization["configMapGenerator"]
    assert all((FOLDER / file).exists() for file in generated["files"])
    (used,) = [volume["configMap"]["name"] for volume in PODS["umg"]["volumes"] if "configMap" in volume]
    assert used == generated["name"]
    assert {each["metadata"].get("namespace") for each in OBJECTS} == {kustomization["namespace"], None}
    assert {each["kind"] for each in OBJECTS if "namespace" not in each["metadata"]} == {"Namespace"}
    images = {each["image"] for pod in PODS.values() for each in pod["containers"]}
    assert images == {image["name"] for image in kustomization["images"]}


def commands() -> list[str]:
    """Every command of the image's that a container starts with, or that the README types into one."""
    typed = re.findall(r"(?:exec umg|run --rm umg|exec umg-0 -c umg --) ((?:umg|dagster) [^`\n]*)", README)
    assert len(typed) == 7
    return [" ".join(container.words) for container in CONTAINERS.values()] + typed


@pytest.mark.parametrize("command", commands())
def test_a_command_and_its_options_exist(command: str):
    name, *words = command.split()
    group = {"umg": lambda: typer.main.get_command(app), "dagster": create_dagster_cli}[name]()
    while words and hasattr(group, "resolve_command"):
        context = group.make_context(name, [words[0]], ignore_unknown_options=True)
        name, group, _ = group.resolve_command(context, words)
        words = words[1:]
    group.make_context(name, words)


def test_every_variable_of_the_lakehouse_is_a_setting_and_umg_toml_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "umg.toml").write_bytes((FOLDER / "umg.toml").read_bytes())
    for name in [name for name in os.environ if name.startswith("UMG_")]:
        monkeypatch.delenv(name)
    named = {name: "" for container in CONTAINERS.values() for name in container.variables} | image_variables()
    settings = {name for name in named if name.startswith("UMG_") and name != "UMG_HOME"}
    assert settings == {"UMG_ENGINE"}
    for container in CONTAINERS.values():
        if engine := container.variables.get("UMG_ENGINE"):
            monkeypatch.setenv("UMG_ENGINE", engine if isinstance(engine, str) else engine["value"])
        assert read_settings(tmp_path).places.landing is None
    monkeypatch.setenv("UMG_SPARK_REMOTE", "sc://spark.example:15002/;use_ssl=true;token=t")  # named in a comment
    uncommented = re.sub(r"^# (\[|\w+ = )", r"\1", (FOLDER / "umg.toml").read_text(), flags=re.MULTILINE)
    (tmp_path / "umg.toml").write_text(uncommented)
    assert read_settings(tmp_path).places.landing == "s3://exports/plays"


@pytest.mark.parametrize("pod", PODS)
def test_kubernetes_adds_no_variable_that_would_be_taken_for_a_setting(pod: str):
    assert PODS[pod]["enableServiceLinks"] is False, "a Service umg would add UMG_PORT"


@pytest.mark.parametrize("container", CONTAINERS.values(), ids=CONTAINERS)
def test_umg_home_lies_in_the_one_volume(container: Container):
    home = Path(image_variables()["UMG_HOME"])
    assert "UMG_HOME" not in container.variables, "the image says it, once"
    (mounted,) = [path for path in container.mounts if home.is_relative_to(path)]
    assert home != Path(mounted), "the root of a volume belongs to somebody else"
    assert image_variables()["DAGSTER_HOME"] == f"{home}/dagster"
    if container.name in PODS:
        assert container.mounts[mounted] == "lake"
        (claim,) = [each for each in OBJECTS if each["kind"] == "PersistentVolumeClaim"]
        assert (claim["metadata"]["name"], claim["spec"]["accessModes"]) == ("lake", ["ReadWriteMany"])


def test_the_launcher_sees_the_processes_of_all_runs():
    umg_dev = [container.name for container in CONTAINERS.values() if container.words[:2] == ["umg", "dev"]]
    assert umg_dev == ["compose", "umg"], "one that starts runs, each"
    assert SERVICE["hostname"]
    assert not SERVICE.keys() & {"pid", "scale", "deploy"}
    (stateful,) = [each for each in OBJECTS if each["metadata"]["name"] == "umg" and each["kind"] == "StatefulSet"]
    assert stateful["spec"]["replicas"] == 1
    for launched in ("code-server", "dagster-daemon", "dagster api"):
        assert launched not in yaml.safe_dump([COMPOSE, OBJECTS])


def test_dagsters_webserver_is_reached_by_this_machine_or_pod_alone_and_is_the_guarded_one():
    assert all(port.startswith("127.0.0.1:") for port in SERVICE["ports"])
    assert not [name for name, service in COMPOSE["services"].items() if "ports" in service and name != "umg"]
    assert "--name" in SERVICE["command"], "else the dashboard would answer to any name"
    assert CONTAINERS["umg"].words == ["umg", "dev"], "on the pod's loopback"
    for service in (each for each in OBJECTS if each["kind"] == "Service"):
        assert service["spec"].get("type", "ClusterIP") == "ClusterIP"
        assert service["metadata"]["name"] == "dashboard" or "ports" not in service["spec"]
    everything = yaml.safe_dump([COMPOSE, OBJECTS])
    for opened in ("dagster-webserver", "hostPort", "hostNetwork", "network_mode: host"):
        assert opened not in everything


def test_no_secret_is_written_down():
    for variables in (SERVICE["environment"], COMPOSE["services"]["postgres"]["environment"]):
        for name, value in variables.items():
            if "PASSWORD" in name or "PG_URL" in name:
                assert "${POSTGRES_PASSWORD:?" in value
            assert value is None or "SECRET" not in name, "taken from the environment of `docker compose`"
    for pod in PODS.values():
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            for variable in container.get("env", []):
                if "PASSWORD" in variable["name"]:
                    assert variable["valueFrom"]["secretKeyRef"] == {"name": "umg-postgres", "key": "password"}
                if "PG_URL" in variable["name"]:
                    assert ":$(POSTGRES_PASSWORD)@" in variable["value"]
    assert "create secret generic umg-postgres --from-literal=password=" in README
    assert not [each for each in OBJECTS if each["kind"] == "Secret"]


def test_versions_are_those_that_the_project_names_and_its_tests_run_on():
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    pythons = re.findall(r"^FROM python:([\d.]+)-", DOCKERFILE, re.MULTILINE)
    assert len(set(pythons)) == 1
    assert f"Programming Language :: Python :: {pythons[0]}" in project["project"]["classifiers"]
    (sidecar,) = PODS["umg"]["initContainers"]
    assert sidecar["image"] == COMPOSE["services"]["postgres"]["image"]
    if os.environ.get("REQUIRE_POSTGRES") == "1":
        assert sidecar["image"] == f"postgres:{BINARIES[-1].parent.name}"
    assert SERVICE["image"] == f"umg-assets:{project['project']['version']}"
    assert {int(version) for version in re.findall(r"JAVA=(\d+)", DOCKERFILE + README)} <= set(_JAVA_VERSIONS)
    assert set(re.findall(r"io\.delta:[\w.:-]*\d", README)) == {DELTA_JAR}


def test_the_image_is_made_of_files_that_are_there_and_sent_to_the_builder():
    copied = re.findall(r"^COPY (?!--from)(?:--\S+ )?(.*) \S+$", DOCKERFILE, re.MULTILINE)
    sent = [line[1:] for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    for file in " ".join(copied).split():
        assert (PROJECT / file).exists()
        assert any(Path(file).is_relative_to(each) for each in sent), file
    assert os.access(FOLDER / "start.sh", os.X_OK)


def test_each_start_puts_the_deployments_configuration_into_a_umg_home_of_its_owner_alone(tmp_path: Path):
    configuration, home = tmp_path / "etc", tmp_path / "lake" / "umg_home"
    configuration.mkdir()
    variables = {**os.environ, "CONFIGURATION": str(configuration), "UMG_HOME": str(home)}
    for content in ("first", "second"):
        for name in ("umg.toml", "dagster.yaml"):
            (configuration / name).write_text(content)
        start = [FOLDER / "start.sh", "sh", "-c", 'echo "$1"', "sh", "a word"]
        done = subprocess.run(start, env=variables, capture_output=True, text=True, umask=0o022)
        assert (done.returncode, done.stdout) == (0, "a word\n"), done.stderr
        files = {str(file.relative_to(home)): file for file in home.rglob("*") if file.is_file()}
        assert {name: file.read_text() for name, file in files.items()} == {
            "umg.toml": content,
            "dagster/dagster.yaml": content,
        }
    for place in (home, home / "landing", *files.values()):
        assert place.stat().st_mode & 0o077 == 0


def test_the_probe_of_the_pod_is_the_images_own():
    (umg,) = PODS["umg"]["containers"]
    assert umg["livenessProbe"]["exec"]["command"] == health_check()


def health_check() -> list[str]:
    """The command by which the image tells whether it is well."""
    (words,) = re.findall(r"^HEALTHCHECK .*\\\n\s*CMD (\[.*\\\n.*\])", DOCKERFILE, re.MULTILINE)
    return yaml.safe_load(words.replace("\\\n", ""))


@pytest.mark.exhaustive
def test_what_the_compose_file_starts_answers_over_its_postgresql_and_its_code_location_loads(tmp_path: Path):
    service, password = COMPOSE["services"]["postgres"], "a1b2"
    ports = {"3000": str(free_port()), "3001": str(free_port())}
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "umg.toml").write_bytes((FOLDER / "umg.toml").read_bytes())
    (source,) = re.findall(r"^COPY (\S+) /etc/umg/dagster.yaml$", DOCKERFILE, re.MULTILINE)
    (tmp_path / "etc" / "dagster.yaml").write_bytes((PROJECT / source).read_bytes())
    auth = [service["environment"]["POSTGRES_INITDB_ARGS"], "--auth-host=scram-sha-256"]
    with postgres(password, *auth) as server:
        server.start(" ".join(service["command"][1:]))
        server.run("createdb", "-h", str(server.folder), "-U", "umg", "dagster", PGPASSWORD=password)

        def here(text: str) -> str:
            """A value of the Compose file or of the image, with what is this test's own for what is the container's."""
            text = re.sub(r"\$\{POSTGRES_PASSWORD:\?[^}]*\}", password, text)
            for path, own in {
                "/var/run/postgresql": server.folder,
                "/lake": tmp_path,
                "/etc/umg": tmp_path / "etc",
            }.items():
                text = text.replace(path, str(own))
            return re.sub(r":(300[01])/", lambda port: f":{ports[port[1]]}/", text)

        given = {**image_variables(), **SERVICE["environment"]}
        python = Path(sys.executable).parent
        variables = {**own_environment(), **{name: here(value) for name, value in given.items() if value}}
        variables["PATH"] = f"{python}{os.pathsep}{variables['PATH']}"
        place = ["--port", ports["3000"], "--dashboard-port", ports["3001"]]
        start = [str(FOLDER / "start.sh"), *SERVICE["command"], *place]
        umg_dev = subprocess.Popen(start, env=variables, cwd=tmp_path, start_new_session=True)
        healthy = [here(word) for word in health_check()]
        try:
            assert awaited(
                lambda: (
                    umg_dev.poll() is not None
                    or subprocess.run(healthy, env=variables, capture_output=True).returncode == 0
                )
            )
            assert umg_dev.poll() is None, "it has ended"
            validate = ["dagster", "definitions", "validate", "-m", "umg_assets.definitions"]
            done = subprocess.run(validate, env=variables, cwd=tmp_path, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            doctor = subprocess.run(["umg", "doctor"], env=variables, cwd=tmp_path, capture_output=True, text=True)
            assert "PostgreSQL" not in doctor.stdout, "nothing of it goes over a network"
        finally:
            umg_dev.terminate()
            umg_dev.wait(PATIENCE)
    assert not list((tmp_path / "umg_home" / "dagster").rglob("*.db"))
