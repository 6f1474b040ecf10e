import json
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lesionlab import RESEARCH_ONLY, __version__
from lesionlab.taxonomy import CODES

ROOT = Path(__file__).resolve().parent.parent
STEPS = ROOT / "scripts" / "container_steps.py"


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def stages(dockerfile: str) -> list[Any]:
    read: list[Any] = runpy.run_path(str(STEPS))["read_stages"](dockerfile)
    return read


@pytest.fixture(scope="module")
def service() -> dict[str, Any]:
    yaml = pytest.importorskip("yaml")
    found: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["lesionlab"]
    return found


def test_build_context_holds_only_copied_files(stages: list[Any]) -> None:
    first, *rest = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    copied = [argument for stage in stages for name, argument in stage.steps if name == "COPY"]
    sources = {source for argument in copied if "--from" not in argument for source in argument.split()[:-1]}
    assert first == "*"
    assert {line.removeprefix("!") for line in rest if line.startswith("!")} == sources


def test_packages_are_installed_with_hashes(stages: list[Any]) -> None:
    installs = [part for _, step in stages[0].steps for part in step.split("&&") if "uv pip install" in part]
    assert len(installs) == 2
    assert "--require-hashes -r pyproject.toml --extra app -c constraints.txt" in installs[0]
    assert "--no-deps ." in installs[1]


def test_label_has_the_version(dockerfile: str) -> None:
    assert f'org.opencontainers.image.version="{__version__}"' in dockerfile


def test_port_and_key_are_consistent(dockerfile: str, stages: list[Any], service: dict[str, Any]) -> None:
    command = json.loads(stages[-1].settings["CMD"])
    port = command[command.index("--port") + 1]
    assert f"EXPOSE {port}" in dockerfile.splitlines()
    assert f"http://127.0.0.1:{port}/readyz" in stages[-1].settings["HEALTHCHECK"]
    assert service["ports"] == [f"127.0.0.1:{port}:{port}"]
    assert [f"/run/secrets/{name}" for name in service["secrets"]] == [command[command.index("--api-key-file") + 1]]


def test_compose_drops_all_privileges(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert [place.partition(":")[0] for place in service["tmpfs"]] == ["/tmp"]  # noqa: S108 - the container's
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "mem_limit", "pids_limit"} <= service.keys()
    assert not service.keys() & {"privileged", "volumes", "environment", "network_mode", "user"}


def test_bill_of_materials_is_made_of_the_installed_packages(stages: list[Any]) -> None:
    (made,) = (step for _, step in stages[0].steps if "cyclonedx-py environment" in step)
    assert made.endswith("--output-file /opt/lesionlab/sbom.cdx.json /opt/lesionlab/bin/python")
    assert any(argument == "--from=build /opt/lesionlab /opt/lesionlab" for _, argument in stages[-1].steps)


def test_builds_for_several_platforms_use_the_arguments_of_the_dockerfile(dockerfile: str) -> None:
    bake = (ROOT / "docker-bake.hcl").read_text()
    declared = set(re.findall(r"^ARG (\w+)", dockerfile, re.MULTILINE))
    passed = re.search(r"args\s+= \{(.*)\}", bake)
    assert passed is not None
    assert set(re.findall(r"(\w+) =", passed[1])) == declared
    assert '"linux/amd64", "linux/arm64"' in bake


def test_kubernetes_example_fits_the_image(stages: list[Any]) -> None:
    yaml = pytest.importorskip("yaml")
    documents = list(yaml.safe_load_all((ROOT / "examples/deployment/kubernetes.yaml").read_text()))
    by_kind = {document["kind"]: document for document in documents}
    assert by_kind.keys() == {"Deployment", "Service", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
    pod = by_kind["Deployment"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    command = json.loads(stages[-1].settings["CMD"])
    key = Path(command[command.index("--api-key-file") + 1])
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    secret = next(volume["secret"] for volume in pod["volumes"] if volume["name"] == "key")
    assert Path(mounts["key"]) / secret["items"][0]["path"] == key
    assert str(container["ports"][0]["containerPort"]) == command[command.index("--port") + 1]
    user = f"{pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}"
    assert user == stages[-1].settings["USER"]
    probes = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert probes == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    # Longer than the server takes to complete its queue, after the pause before SIGTERM.
    assert pod["terminationGracePeriodSeconds"] >= 30 + container["lifecycle"]["preStop"]["sleep"]["seconds"]


def test_unsupported_instructions_are_rejected(dockerfile: str) -> None:
    read_stages = runpy.run_path(str(STEPS))["read_stages"]
    with pytest.raises(SystemExit, match="ADD is not supported"):
        read_stages(dockerfile.replace("COPY src src", "ADD src src"))
    with pytest.raises(SystemExit, match=r"only python:3\.11-slim is supported"):
        read_stages(dockerfile.replace("FROM ${PYTHON} AS build", "FROM alpine AS build"))


def _missing_requirement() -> str | None:
    if os.geteuid() != 0:
        return "running the steps needs root"
    if not all(map(shutil.which, ("unshare", "setpriv", "mount"))):
        return "running the steps needs util-linux"
    attempt = ["unshare", "--mount", "--net", "mount", "--bind", "/usr", "/usr"]
    if subprocess.run(attempt, capture_output=True, check=False).returncode:
        return "this machine does not permit namespaces"
    return None


@pytest.mark.slow
def test_server_of_the_image_runs_in_a_read_only_root(tmp_path: Path) -> None:
    if missing := _missing_requirement():
        pytest.skip(missing)
    done = subprocess.run(
        [sys.executable, STEPS, "--out", tmp_path / "found.json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / "found.json").read_text())
    assert found["writable"] == []
    assert found["modules_without_bytecode"] == []
    assert found["bill_of_materials"] >= len(found["packages"])
    assert (found["user"], found["capabilities"]) == ("10001", 0)
    assert (found["health"], found["exit_status"]) == (0, 0)
    assert (found["status"], found["status_without_key"]) == (200, 401)
    assert (found["notice"], found["classes"]) == (RESEARCH_ONLY, len(CODES))
    assert found["image_mib"] > 1  # more than the memory buffer of form parsers
    installed = {re.split("-[0-9]", name)[0] for name in found["packages"]}
    assert {"lesionlab", "onnxruntime", "fastapi"} <= installed
    assert not installed & {"torch", "pandas", "scipy", "scikit_learn", "matplotlib", "onnx", "gradio", "pytest", "uv"}
    assert "onnxruntime:" not in done.stderr  # its warning where it cannot store a device identifier
