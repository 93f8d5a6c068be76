#!/bin/sh
# Regenerates pluginv1 from plugin.proto. Needs protoc (Debian: protobuf-compiler 3.21); the Go generators are built at the
# versions pinned here and in go.mod.
set -eu
cd "$(dirname "$0")/pluginv1"
bin="$(mktemp -d)"
trap 'rm -rf "$bin"' EXIT
go build -o "$bin/protoc-gen-go" google.golang.org/protobuf/cmd/protoc-gen-go # go.mod pins it
GOBIN="$bin" go install google.golang.org/grpc/cmd/protoc-gen-go-grpc@v1.6.2
PATH="$bin:$PATH" protoc --go_out=. --go_opt=paths=source_relative \
	--go-grpc_out=. --go-grpc_opt=paths=source_relative plugin.proto
