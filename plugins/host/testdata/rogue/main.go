// Command rogue is a plugin that misbehaves in every way that the host must survive. Its first argument says how it starts,
// the values that it is given say how it dies.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/tandem-sync/tandem/connector/change"
	"github.com/tandem-sync/tandem/plugins/rpc"
	"github.com/tandem-sync/tandem/plugins/sdk"
)

func main() {
	mode := ""
	if len(os.Args) > 1 {
		mode = os.Args[1]
	}
	switch mode {
	case "garbage":
		fmt.Println("Hello, I am a plugin")
	case "slow":
		time.Sleep(5 * time.Minute)
	case "silent":
		os.Exit(0)
	case "dies":
		fmt.Fprintln(os.Stderr, "cannot find my licence")
		os.Exit(4)
	case "poison":
		// go-plugin's own reader of standard error panics on these, in the host's process.
		fmt.Fprintln(os.Stderr, `{"@message":1}`)
		fmt.Fprintln(os.Stderr, `{"@level":[],"@message":"odd","@timestamp":7}`)
		fmt.Fprintln(os.Stderr, strings.Repeat("x", 1<<20))
	case "orphan": // a descendant that holds the pipes and leaves the process group
		cmd := exec.Command("sleep", "120")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := cmd.Start(); err != nil {
			panic(err)
		}
		fmt.Fprintf(os.Stderr, "orphan %d\n", cmd.Process.Pid)
	case "once": // starts once; the file is the memory
		f, err := os.OpenFile(os.Args[2], os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			fmt.Fprintln(os.Stderr, "I started before")
			os.Exit(5)
		}
		f.Close()
	}
	signal.Ignore(syscall.SIGTERM)
	rpc.Serve(sdk.Plugin{
		Name: "rogue", Version: "0.0.1", Summary: "misbehaves",
		Offers: []sdk.Offer{{Name: "f", Summary: "does as it is told", New: func() any { return &function{} }},
			{Name: "m", Summary: "a mapper", New: func() any { return &mapper{} }}},
	})
}

type function struct {
	Tag     string `json:"tag"`
	Cleanse string `json:"cleanse" doc:"a file that Cleanup makes"`
}

func (f *function) Cleanup() error {
	if f.Cleanse == "" {
		return nil
	}
	return os.WriteFile(f.Cleanse, nil, 0o600)
}

func (f *function) ToNotion(v change.Value) (change.Value, error) {
	word, rest, _ := strings.Cut(v.Text(), ":")
	switch word {
	case "crash":
		fmt.Fprintln(os.Stderr, "about to crash")
		os.Exit(7)
	case "panic-elsewhere":
		go panic("in a goroutine of the plugin")
		time.Sleep(5 * time.Minute)
	case "panic":
		panic("on this value")
	case "hang":
		select {}
	case "slow":
		d, _ := time.ParseDuration(rest)
		time.Sleep(d)
	case "freeze":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		select {} // the stop may come late
	case "big":
		var n int
		_, _ = fmt.Sscan(rest, &n)
		return change.TextValue(strings.Repeat("b", n)), nil
	case "env":
		b, _ := json.Marshal(os.Environ())
		return change.TextValue(string(b)), nil
	case "pid":
		return change.IntValue(int64(os.Getpid())), nil
	case "absent":
		return change.Value{}, nil
	case "retry":
		return change.Value{}, sdk.Retry("later")
	case "fatal":
		return change.Value{}, sdk.Fatal("no licence")
	case "plain":
		return change.Value{}, fmt.Errorf("plain")
	case "print":
		fmt.Println("printed on stdout")
		return v, nil
	}
	return change.TextValue(f.Tag + v.Text()), nil
}

func (f *function) ToCRM(v change.Value) (change.Value, error) {
	return change.TextValue(strings.TrimPrefix(v.Text(), f.Tag)), nil
}

type mapper struct{}

func (mapper) ToNotion(im change.Image) (change.Image, error) { return im, nil }
func (mapper) ToCRM(im change.Image) (change.Image, error)    { return im, nil }
