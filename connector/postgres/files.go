package postgres

import (
	"bufio"
	"cmp"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgpassfile"
	"github.com/jackc/pgx/v5"
)

// hosts gives the lists that pgx takes: names with commas between them, and as many ports.
func (c Config) hosts() (names, ports string, err error) {
	port := strconv.Itoa(cmp.Or(c.Port, 5432))
	if c.Host == "" {
		if c.Service != "" && c.Port == 0 {
			port = "" // the service file's
		}
		return "", port, nil
	}
	var allNames, allPorts []string
	for host := range strings.SplitSeq(c.Host, ",") {
		name, own := strings.TrimSpace(host), port
		if !strings.HasPrefix(name, "/") && strings.Count(name, ":") == 1 || strings.HasPrefix(name, "[") && strings.Contains(name, "]:") {
			if name, own, err = net.SplitHostPort(name); err != nil {
				return "", "", fmt.Errorf("%q is no name:port", host)
			}
		}
		n, err := strconv.ParseUint(own, 10, 16)
		if name == "" || err != nil || n == 0 {
			return "", "", fmt.Errorf("%q is no name, and no name:port", host)
		}
		allNames, allPorts = append(allNames, strings.Trim(name, "[]")), append(allPorts, own)
	}
	return strings.Join(allNames, ","), strings.Join(allPorts, ","), nil
}

// addressKey is the key that is wrong when the address cannot be parsed.
func (c Config) addressKey() string {
	switch {
	case !c.DSN.IsZero():
		return "dsn"
	case c.SSLMode+c.SSLRootCert+c.SSLCert+c.SSLKey != "":
		return "sslmode"
	}
	return "hostname"
}

// addSettings adds what is not empty to an address of either form.
func addSettings(dsn string, settings [][2]string) string {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		for _, s := range settings {
			if s[1] != "" {
				dsn += " " + s[0] + "='" + quoteSetting.Replace(s[1]) + "'"
			}
		}
		return dsn
	}
	for _, s := range settings {
		if s[1] == "" {
			continue
		}
		separator := "?"
		if strings.Contains(dsn, "?") {
			separator = "&"
		}
		dsn += separator + s[0] + "=" + url.QueryEscape(s[1])
	}
	return dsn
}

// serviceFile is where Service is looked up, when there is one; "" leaves it to pgx, which knows PGSERVICEFILE and ~/.pg_service.conf.
func (c Config) serviceFile() string {
	if c.Service == "" {
		return ""
	}
	return c.ServiceFile
}

// checkServiceFile looks for the section, since pgx's errors are not shown: they may quote an address.
func (c Config) checkServiceFile() error {
	if c.Service == "" {
		if c.ServiceFile != "" {
			return fmt.Errorf("missing: database.servicefile is given, and which section of it is not")
		}
		return nil
	}
	name := cmp.Or(c.ServiceFile, os.Getenv("PGSERVICEFILE"), homeFile(".pg_service.conf"))
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if strings.TrimSpace(lines.Text()) == "["+c.Service+"]" {
			return nil
		}
	}
	return fmt.Errorf("%s has no section [%s]", name, c.Service)
}

// passFile is where passwords are looked up; named says that somebody named it, so that it must be there.
func (c Config) passFile() (name string, named bool) {
	name = cmp.Or(c.PassFile, os.Getenv("PGPASSFILE"))
	return cmp.Or(name, homeFile(".pgpass")), name != ""
}

// checkPassFile refuses a file that others may read, where libpq only warns and goes on without a password.
func (c Config) checkPassFile() error {
	name, named := c.passFile()
	info, err := os.Stat(name)
	if err != nil {
		if named {
			return err
		}
		return nil
	}
	if c.PassFile == "" && c.givesPassword() {
		return nil // it is not looked at
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("%s can be read by others than its owner (%04o): run chmod 600 on it", name, info.Mode().Perm())
	}
	return nil
}

// noPassFile keeps pgx from a file whose permissions nobody looked at: lookUpPassword does it.
func (c Config) noPassFile() string {
	if strings.Contains(c.DSN.Reveal(), "passfile=") {
		return ""
	}
	return os.DevNull
}

func (c Config) givesPassword() bool {
	parsed, err := pgx.ParseConfig(c.text())
	return !c.Password.IsZero() || err == nil && parsed.Password != ""
}

// lookUpPassword finds the password of the first host under the final names: pgx looks before ours replace those of an address.
func (c Config) lookUpPassword(parsed *pgx.ConnConfig) string {
	if c.checkPassFile() != nil {
		return ""
	}
	name, _ := c.passFile()
	passwords, err := pgpassfile.ReadPassfile(name)
	if err != nil {
		return ""
	}
	host := parsed.Host
	if strings.HasPrefix(host, "/") {
		host = "localhost" // as libpq has it for sockets
	}
	return passwords.FindPassword(host, strconv.Itoa(int(parsed.Port)), parsed.Database, parsed.User)
}

func homeFile(name string) string {
	home, err := os.UserHomeDir()
	if err != nil {
		return ""
	}
	return filepath.Join(home, name)
}
