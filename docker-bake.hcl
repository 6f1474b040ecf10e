# Images for several platforms, with attestations (SBOM in SPDX, provenance). Usage: docs/containers.md.
#
#   export PYTHON="python:3.11-slim@$(docker buildx imagetools inspect python:3.11-slim --format '{{.Manifest.Digest}}')"
#   docker buildx bake --push

variable "PYTHON" {
  default = "python:3.11-slim"
}

variable "REVISION" {
  default = "unknown"
}

variable "TAG" {
  default = "lesionlab:latest"
}

target "default" {
  context   = "."
  args      = { PYTHON = PYTHON, REVISION = REVISION }
  tags      = [TAG]
  platforms = ["linux/amd64", "linux/arm64"]
  attest    = ["type=sbom", "type=provenance,mode=max"]
}
