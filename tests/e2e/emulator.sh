#!/usr/bin/env bash
# Runs the tests on AWS Emulator, AWS's own emulator of its APIs: `make emulator`.
#
# From the AWS Emulator User Guide: "Getting started on Linux" (the package), "AWS Emulator command reference" (--auth off
# serves every request; the certificate is written to ~/.aws/emulator/<port>/), "Pointing your AWS SDK at AWS Emulator".
# On GitHub it installs the package; elsewhere that is up to you.
set -euo pipefail
cd "$(dirname "$0")/../.."

port=9297
packages=https://downloads.aws.com/aws-emulator/packages/aws-emulator/LTS/latest

if ! command -v aws-emulator > /dev/null; then
  if [ "${GITHUB_ACTIONS:-}" != true ]; then
    echo 'aws-emulator is not installed. Install it as "Getting started on Linux" (AWS Emulator User Guide) describes.' >&2
    exit 1
  fi
  package=$(mktemp -d)/aws-emulator.deb
  curl -fsSLo "$package" "$packages/aws-emulator_$(dpkg --print-architecture).deb"
  sudo apt-get install -y "$package"
fi
aws-emulator -v

rm -rf "$HOME/.aws/emulator/$port"
log=$(mktemp)
aws-emulator --auth off --port "$port" > "$log" 2>&1 &
emulator=$!
trap 'kill "$emulator"' EXIT
for _ in $(seq 150); do
  [ -s "$HOME/.aws/emulator/$port/ca.pem" ] && break
  kill -0 "$emulator" || { cat "$log"; exit 1; }
  sleep 0.2
done

# Nothing can reach AWS: the keys are no keys.
export AWS_ENDPOINT_URL="https://127.0.0.1:$port" AWS_CA_BUNDLE="$HOME/.aws/emulator/$port/ca.pem"
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_DEFAULT_REGION=us-east-1

# First what no other engine has: redrives and annotations.
FERRY_TEST_ENDPOINT="$AWS_ENDPOINT_URL" .venv/bin/python -m pytest -n 0 -p no:cacheprovider tests/infra/test_engine_facts.py

make deploy YES=1
make e2e OUTPUTS=.ferry/outputs.json
