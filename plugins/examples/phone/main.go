// Command phone is an example of a mapping plugin: telephone numbers as people typed them over the years on the CRM's side, E.164 on
// Notion's. README.md walks through it.
package main

import (
	"github.com/tandem-sync/tandem/plugins/examples/phone/e164"
	"github.com/tandem-sync/tandem/plugins/rpc"
)

func main() { rpc.Serve(e164.Plugin()) }
