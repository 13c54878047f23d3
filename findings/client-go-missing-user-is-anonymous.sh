#!/usr/bin/env bash
# k8s.io/client-go v0.36.3 (with which kubectl 1.36 reads kubeconfigs): a context whose `user` is in no file
#   Expected: an error, as for a context whose cluster is missing ("no user ...").
#   Observed: no error. The configuration has no credentials, so every request goes out as system:anonymous, and the server returns
#   403 for an identity that nobody configured. A missing cluster is an error.
#   Why it matters: a KUBECONFIG of several files easily loses the one with the users; this console names the missing user instead.
#     client-go v0.36.3
#     user missing:    error: none, credentials: none, host https://h:6443
#     cluster missing: error: invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable
set -euo pipefail
folder=$(mktemp -d)
export GOPATH="$folder/go" GOCACHE="$folder/cache" GOFLAGS=-modcacherw
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/look" && cd "$folder/look"
cat > main.go <<'PROGRAM'
package main

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
)

func main() {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: os.Args[1]}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, &clientcmd.ConfigOverrides{}).ClientConfig()
	if err != nil {
		fmt.Printf("error: %v\n", err)
		return
	}
	credentials := "none"
	if config.BearerToken != "" || config.Username != "" || config.CertFile != "" || len(config.CertData) > 0 || config.ExecProvider != nil {
		credentials = "some"
	}
	fmt.Printf("error: none, credentials: %s, host %s\n", credentials, config.Host)
}
PROGRAM
printf 'module look\n\ngo 1.26\n\nrequire k8s.io/client-go v0.36.3\n' > go.mod
go mod tidy 2> tidy.log || { tail -3 tidy.log; exit 2; }
go build -o look .
sections='{"current-context":"one","contexts":[{"name":"one","context":{"cluster":"c","user":"u"}}]'
echo "$sections,\"clusters\":[{\"name\":\"c\",\"cluster\":{\"server\":\"https://h:6443\"}}],\"users\":[]}" > no-user
echo "$sections,\"clusters\":[],\"users\":[{\"name\":\"u\",\"user\":{\"token\":\"t\"}}]}" > no-cluster
user=$(./look no-user)
cluster=$(./look no-cluster)
go list -m k8s.io/client-go
echo "guess: an error for both"
echo "user missing:    $user"
echo "cluster missing: $cluster"
test "$user" = "error: none, credentials: none, host https://h:6443"
case $cluster in error:\ none*) exit 1 ;; esac
