package pgserver

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// identities are the ways to run the server, best first. An ordinary user has one: as itself. PostgreSQL wants to know its user's name, so
// one that has only a number, as in many containers, goes by another number in a user namespace.
func identities(ctx context.Context) []identity {
	if uid := os.Geteuid(); uid != 0 {
		own := identity{name: "the caller", attr: attributes, chownTo: -1}
		if _, err := user.LookupId(strconv.Itoa(uid)); errors.As(err, new(user.UnknownUserIdError)) && exec.CommandContext(ctx, "getent", "passwd", strconv.Itoa(uid)).Run() != nil {
			own.name, own.attr = "the caller in a user namespace", func() *syscall.SysProcAttr { return mapped(65534, uid, os.Getegid()) }
		}
		return []identity{own}
	}
	var ids []identity
	if u, err := user.Lookup("postgres"); err == nil {
		if uid, err := strconv.Atoi(u.Uid); err == nil {
			gid, _ := strconv.Atoi(u.Gid)
			ids = append(ids, asUser("postgres", uid, gid))
		}
	}
	return append(ids, asUser("nobody", 65534, 65534), inNamespace())
}

func asUser(name string, uid, gid int) identity {
	return identity{name: name, chownTo: uid, attr: func() *syscall.SysProcAttr {
		a := attributes()
		a.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		return a
	}}
}

// inNamespace maps one ordinary number to root, so that the server does not know that it runs as root and its files stay
// root's: no account is needed, and folders under root's home can be used. user_namespaces(7).
func inNamespace() identity {
	return identity{name: "root in a user namespace", chownTo: 0, attr: func() *syscall.SysProcAttr { return mapped(1000, 0, 0) }}
}

// mapped makes a user namespace in which uid and gid are called as.
func mapped(as, uid, gid int) *syscall.SysProcAttr {
	a := attributes()
	a.Cloneflags = syscall.CLONE_NEWUSER
	a.UidMappings = []syscall.SysProcIDMap{{ContainerID: as, HostID: uid, Size: 1}}
	a.GidMappings = []syscall.SysProcIDMap{{ContainerID: as, HostID: gid, Size: 1}}
	return a
}

// attributes make the server end (at once, as after a crash) when we do, and keep the terminal's Ctrl-C from it: we stop it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGQUIT, Setpgid: true}
}

func (id identity) own(path string, mode os.FileMode) error {
	if err := os.Chmod(path, mode); err != nil {
		return fmt.Errorf("prepare %s: %w", path, err)
	}
	if id.chownTo < 0 {
		return nil
	}
	if err := os.Chown(path, id.chownTo, -1); err != nil {
		return fmt.Errorf("give %s to %s: %w", path, id.name, err)
	}
	return nil
}
