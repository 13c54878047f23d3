#!/usr/bin/env bash
# k8s.io/apiserver 0.36.3 (the handlers of kube-apiserver 1.36.3): DELETE of a pod with `?dryRun=All` in the URL
#   Expected: `?dryRun=All` makes a request dry, as it does for POST, PUT and PATCH, whose body is the object; a DELETE with preconditions
#   in its DeleteOptions and the same query deletes nothing.
#   Observed: options in the query count only for a DELETE without a body. With any body the query is ignored without an error or a
#   warning: the pod is deleted, and the response is 200 either way. A dry run with a body says so in the body.
#   Why it matters: one helper that appends dryRun=All to every write is right for years, until a precondition is added to its delete.
#     query dryRun=All, no body: [All]
#     query dryRun=All, body with preconditions: []
#     query dryRun=All, body with dryRun: [All]
set -euo pipefail
folder=$(mktemp -d)
trap 'chmod -R u+w "$folder"; rm -rf "$folder"' EXIT
cd "$folder"
export GOMODCACHE="$folder/modules" GOFLAGS=-mod=mod
printf 'module look\ngo 1.24\n' > go.mod
go get k8s.io/apiserver@v0.36.3 k8s.io/api@v0.36.3 k8s.io/apimachinery@v0.36.3 2> /dev/null
cat > main.go <<'PROGRAM'
package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apiserver/pkg/endpoints/handlers"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
)

// store is where the handler deletes; it keeps how it was told to.
type store struct{ dryRun []string }

func (s *store) Delete(_ context.Context, _ string, _ rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, bool, error) {
	s.dryRun = options.DryRun
	return &metav1.Status{Status: metav1.StatusSuccess}, true, nil
}

func main() {
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		panic(err)
	}
	pods := &store{}
	handle := handlers.DeleteResource(pods, true, &handlers.RequestScope{
		Namer:               handlers.ContextBasedNaming{Namer: meta.NewAccessor()},
		Serializer:          serializer.NewCodecFactory(scheme),
		Kind:                corev1.SchemeGroupVersion.WithKind("Pod"),
		Resource:            corev1.SchemeGroupVersion.WithResource("pods"),
		MetaGroupVersion:    metav1.SchemeGroupVersion,
		MaxRequestBodyBytes: 1 << 20,
	}, nil)
	options := `{"apiVersion":"v1","kind":"DeleteOptions",%s}`
	for _, given := range [][2]string{
		{"no body", ""},
		{"body with preconditions", fmt.Sprintf(options, `"preconditions":{"uid":"u"}`)},
		{"body with dryRun", fmt.Sprintf(options, `"dryRun":["All"]`)},
	} {
		asked := httptest.NewRequest("DELETE", "/api/v1/namespaces/n/pods/p?dryRun=All", strings.NewReader(given[1]))
		asked.Header.Set("Content-Type", "application/json")
		info := &request.RequestInfo{IsResourceRequest: true, Verb: "delete", APIPrefix: "api", APIVersion: "v1", Namespace: "n", Resource: "pods", Name: "p"}
		answered := httptest.NewRecorder()
		handle(answered, asked.WithContext(request.WithRequestInfo(asked.Context(), info)))
		if answered.Code != 200 {
			panic(answered.Body.String())
		}
		fmt.Printf("query dryRun=All, %s: %v\n", given[0], pods.dryRun)
	}
}
PROGRAM
go list -m k8s.io/apiserver
echo 'guess: all three are dry runs'
seen=$(go run .)
echo "$seen"
grep -qxF 'query dryRun=All, no body: [All]' <<< "$seen" && grep -qxF 'query dryRun=All, body with preconditions: []' <<< "$seen" &&
  grep -qxF 'query dryRun=All, body with dryRun: [All]' <<< "$seen"
