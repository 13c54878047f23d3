#!/usr/bin/env bash
# kustomize v5.8.1: `namespace: shop` over cluster-scoped objects
#   Expected: cluster-scoped kinds stay unchanged, as Namespace, ClusterRole and ValidatingWebhookConfiguration do.
#   Observed: ValidatingAdmissionPolicy (stable since Kubernetes 1.30) gets `metadata.namespace: shop`, without a warning, because
#   kustomize takes a kind's scope from an older, built-in schema. kubectl 1.32 still applies it; a tool that compares the manifest with
#   the cluster reports a difference forever.
#   Why it matters: deploy/admission is a separate kustomization, outside the overlays that set a namespace.
#     kustomize v5.8.1: ClusterRole none, ValidatingWebhookConfiguration none, ValidatingAdmissionPolicy shop
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
export GOPATH="$folder/go" GOBIN="$folder/bin" GOCACHE="$folder/cache" GOTOOLCHAIN=local

version=v5.8.1
go install "sigs.k8s.io/kustomize/kustomize/v5@$version"
mkdir "$folder/overlay"
printf 'namespace: shop\nresources: [all.yaml]\n' >"$folder/overlay/kustomization.yaml"
cat >"$folder/overlay/all.yaml" <<'YAML'
{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: a}, rules: []}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingWebhookConfiguration, metadata: {name: b}, webhooks: []}
---
{apiVersion: admissionregistration.k8s.io/v1, kind: ValidatingAdmissionPolicy, metadata: {name: c}, spec: {}}
YAML
"$GOBIN/kustomize" build "$folder/overlay" >"$folder/built.yaml"

namespace() { # of the one object of a kind
    awk -v kind="$1" '/^---/ {kept = 0} $0 == "kind: " kind {kept = 1} kept && $1 == "namespace:" {found = $2} END {print found == "" ? "none" : found}' "$folder/built.yaml"
}
told=""
for kind in ClusterRole ValidatingWebhookConfiguration ValidatingAdmissionPolicy; do
    told="$told${told:+, }$kind $(namespace "$kind")"
done
echo "kustomize $("$GOBIN/kustomize" version): $told"
[ "$told" = "ClusterRole none, ValidatingWebhookConfiguration none, ValidatingAdmissionPolicy shop" ]
