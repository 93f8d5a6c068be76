//go:build unix

package host_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/tandem-sync/tandem/plugins/host"
)

// envBeHost makes this test binary a host that starts the plugin of that path and waits to be killed.
const envBeHost = "TANDEM_TEST_BE_HOST"

// beHost runs in a process of its own; see TestAPluginDiesWithItsHost.
func beHost(path string) {
	p, err := host.New(host.Config{Name: "rogue", Command: []string{path}})
	if err == nil {
		err = p.Start(context.Background())
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(p.Status().PID)
	select {}
}

// go-plugin's plugins outlive a host that panics or is killed: two were found running after such a test of ours.
func TestAPluginDiesWithItsHost(t *testing.T) {
	t.Parallel()
	left, err := os.MkdirTemp("", "o") //nolint:usetesting // a test's own folder makes the socket's path too long
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(left) })
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), envBeHost+"="+rogue, "TMPDIR="+left) // what a killed host leaves behind
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, _ := bufio.NewReader(out).ReadString('\n')
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("the host says %q", line)
	}
	await(t, "the plugin's end", func() bool { return gone(pid) })
}

// gone counts a zombie, whose new parent may not reap it.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}
