package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set when the binary is built: -ldflags "-X main.version=…".
var version = "dev"

type versionOptions struct {
	out  *output
	JSON bool
}

func newVersionCommand(out *output) *cobra.Command {
	o := &versionOptions{out: out}
	c := &cobra.Command{Use: "version", Short: "Print the version", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return o.run() }}
	c.Flags().BoolVar(&o.JSON, "json", false, "print JSON")
	return c
}

func (o *versionOptions) run() error {
	v := map[string]string{"version": version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v["revision"] = s.Value
			}
		}
	}
	if o.JSON {
		return o.out.json(v)
	}
	fmt.Fprintf(o.out.stdout, "tandem %s (%s, %s)\n", v["version"], v["go"], v["platform"])
	return nil
}
