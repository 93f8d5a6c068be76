package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"

	"github.com/tandem-sync/tandem/connector/config"
	"github.com/tandem-sync/tandem/connector/mapping"
	"github.com/tandem-sync/tandem/deploy"
)

// names of the connectors, as the example files have them; sinks first.
var connectorNames = []string{"notion-sink", "crm-sink", "crm-source", "notion-source"}

// places are where the systems of this demo are.
type places struct {
	dir          string
	kafka        string
	notion       string
	parentPage   string
	token        string
	crmPort      int
	crmPassword  string
	webhookPort  int
	webhookToken string
	plugin       bool // the phone plugin was built
}

// overrides are what the demo says otherwise than the example files: where things are, and short waits.
func (p places) overrides() map[string]string {
	secret := func(name string) string {
		return "${file:" + filepath.Join(p.dir, secretsFile) + ":" + name + "}"
	}
	return map[string]string{
		"bootstrap.servers": p.kafka, "plugins.file": "plugins.json",
		"database.hostname": "127.0.0.1", "database.port": fmt.Sprint(p.crmPort), "database.dbname": database, "database.user": "tandem",
		"database.password": secret("crm.password"), "database.sslmode": "disable",
		"notion.token": secret("notion.token"), "notion.base.url": p.notion, "notion.parent.page": p.parentPage,
		"notion.rate.per.minute": "1000000", "notion.index.lag.ms": "0",
		"poll.interval.ms": "1000", "poll.interval.min.ms": "1000", "poll.interval.max.ms": "2000",
		"webhook.listen": fmt.Sprintf("127.0.0.1:%d", p.webhookPort), "webhook.token.file": "webhook.token",
		"settle.ms": "100", "work.interval.ms": "100", "concurrency.max": "8", "alerts.group.ms": "200",
	}
}

// added are the keys that the example files do not have; the others replace what they say.
var added = map[string][]string{
	"crm-source":    {"database.sslmode"},
	"notion-sink":   {"database.sslmode", "notion.base.url", "notion.rate.per.minute", "notion.index.lag.ms", "settle.ms", "work.interval.ms", "concurrency.max", "alerts.group.ms"},
	"crm-sink":      {"database.sslmode", "settle.ms", "work.interval.ms", "concurrency.max", "alerts.group.ms"},
	"notion-source": {"database.sslmode", "notion.base.url", "notion.rate.per.minute", "notion.index.lag.ms", "poll.interval.min.ms", "poll.interval.max.ms", "webhook.listen", "webhook.token.file"},
}

// connector gives an example connector with what the demo says otherwise.
func (p places) connector(name string) (config.Document, error) {
	data, err := deploy.Files.ReadFile("examples/" + name + ".json")
	if err != nil {
		return config.Document{}, err
	}
	doc, err := config.Parse(".json", data)
	if err != nil {
		return config.Document{}, fmt.Errorf("read the example %s: %w", name, err)
	}
	overrides := p.overrides()
	for _, key := range added[name] {
		doc.Config[key] = ""
	}
	for key := range doc.Config {
		if value, ok := overrides[key]; ok {
			doc.Config[key] = value
		}
	}
	if name == "crm-source" {
		doc.Config["database.user"] = "tandem_cdc" // it captures and writes nothing; the others write and may not replicate
	}
	if !p.plugin {
		delete(doc.Config, "plugins.file")
	}
	delete(doc.Config, "name") // it stands beside
	return doc, nil
}

// writeFiles writes everything that `tandem run` needs, and gives the connector files and the mappings.
func (p places) writeFiles() (connectors, mappings []string, err error) {
	secrets := fmt.Sprintf("crm.password=%s\nnotion.token=%s\n", p.crmPassword, p.token)
	if err := p.write(secretsFile, []byte(secrets)); err != nil {
		return nil, nil, err
	}
	if err := p.write("webhook.token", []byte(p.webhookToken+"\n")); err != nil {
		return nil, nil, err
	}
	specs := []map[string]any{{"name": "phone", "command": []string{"plugins/phone"}}}
	if err := p.writeJSON("plugins.json", specs); p.plugin && err != nil {
		return nil, nil, err
	}
	for _, name := range connectorNames {
		doc, err := p.connector(name)
		if err != nil {
			return nil, nil, err
		}
		if err := p.writeJSON(name+".json", doc); err != nil {
			return nil, nil, err
		}
		connectors = append(connectors, filepath.Join(p.dir, name+".json"))
	}
	mappings, err = p.writeMappings()
	return connectors, mappings, err
}

// writeMappings copies the example mappings. A page that a person makes need not rest for a minute here; the rest stays as it is.
func (p places) writeMappings() ([]string, error) {
	entries, err := deploy.Files.ReadDir("examples/mappings")
	if err != nil {
		return nil, err
	}
	var files []string
	for _, entry := range entries {
		data, err := deploy.Files.ReadFile(path.Join("examples/mappings", entry.Name()))
		if err != nil {
			return nil, err
		}
		doc, found := mapping.Parse(data)
		if len(found) > 0 {
			return nil, fmt.Errorf("read the example mapping %s: %s", entry.Name(), found[0].Summary)
		}
		doc.Creates.Quiet = new(int)
		doc.Schema = ""
		if !p.plugin {
			for i := range doc.Fields {
				doc.Fields[i].Function = nil
			}
		}
		if err := p.writeJSON(path.Join("mappings", entry.Name()), doc); err != nil {
			return nil, err
		}
		files = append(files, filepath.Join(p.dir, "mappings", entry.Name()))
	}
	return files, nil
}

func (p places) writeJSON(name string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return p.write(name, append(data, '\n'))
}

func (p places) write(name string, data []byte) error {
	file := filepath.Join(p.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return os.WriteFile(file, data, 0o600)
}

// buildPlugin puts the example plugin into the folder: the one that `make demo` built beside the binary, else a new one. It is false, with the
// reason in plain words, where that cannot be done.
func buildPlugin(ctx context.Context, dir string) (bool, string) {
	target := filepath.Join(dir, "plugins", "phone")
	if copyBuilt(target) {
		return true, ""
	}
	program, err := exec.LookPath("go")
	if err != nil {
		return false, "Go is not in PATH"
	}
	root, ok := sourceRoot()
	if !ok {
		return false, "the source of Tandem is not here"
	}
	cmd := exec.CommandContext(ctx, program, "build", "-trimpath", "-ldflags", "-s -w", "-o", target, "./plugins/examples/phone")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		text := strings.TrimSpace(string(out))
		return false, "go build failed: " + text[strings.LastIndexByte(text, '\n')+1:]
	}
	return true, ""
}

// copyBuilt copies plugins/phone from beside the binary; false if there is none.
func copyBuilt(target string) bool {
	binary, err := os.Executable()
	if err != nil {
		return false
	}
	data, err := os.ReadFile(filepath.Join(filepath.Dir(binary), "plugins", "phone"))
	return err == nil && os.MkdirAll(filepath.Dir(target), 0o700) == nil && os.WriteFile(target, data, 0o700) == nil
}

// sourceRoot looks for Tandem's source: here, or above this folder or the binary's.
func sourceRoot() (string, bool) {
	var starts []string
	if here, err := os.Getwd(); err == nil {
		starts = append(starts, here)
	}
	if binary, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(binary))
	}
	for _, dir := range starts {
		for ; ; dir = filepath.Dir(dir) {
			if _, err := os.Stat(filepath.Join(dir, "plugins", "examples", "phone", "main.go")); err == nil {
				return dir, true
			}
			if dir == filepath.Dir(dir) {
				break
			}
		}
	}
	return "", false
}
