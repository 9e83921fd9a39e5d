#!/bin/bash
# Starts one zeb self-play worker. What it needs comes in the environment (see zeb.yaml); the lines
# it prints are the ones that muster's built-in fact rules "zeb" understand. At most 4096 bytes.
set -euo pipefail

echo "=== Setup started at $(date -u) ==="
export DEBIAN_FRONTEND=noninteractive
if ! command -v git > /dev/null; then
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends git ca-certificates > /dev/null
fi
echo "git installed"

code=/root/code
if [ -d "$code/.git" ]; then
  git -C "$code" fetch -q --depth 1 origin "$CODE_REF"
  git -C "$code" reset -q --hard FETCH_HEAD
else
  git clone -q --depth 1 --branch "$CODE_REF" "$CODE_URL" "$code"
fi
echo "repo cloned"

# huggingface_hub reads HF_TOKEN from the environment: the token never stands on a command line.
pip install -q --disable-pip-version-check huggingface_hub
echo "deps installed"

python -c 'import torch
if not torch.cuda.is_available():
    raise SystemExit("no usable CUDA device on this machine")
print("GPU OK:", torch.cuda.get_device_name())'

echo "=== Starting worker $WORKER_ID at $(date -u) ==="
cd "$code"
exec python -u -m forge.zeb.worker.run \
  --worker-id "$WORKER_ID" \
  --repo-id "$WEIGHTS_REPO" \
  --weights-name "$WEIGHTS_NAME" \
  --examples-repo-id "$EXAMPLES_REPO" \
  --device cuda \
  --n-parallel-games 128 \
  --n-simulations 200 \
  --max-mcts-nodes 512 \
  --games-per-batch 256 \
  --weight-sync-interval 2 \
  --upload-interval "$UPLOAD_INTERVAL"
