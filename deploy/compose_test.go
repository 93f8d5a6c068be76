package deploy_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// composeFile is what the tests look at of a compose file.
type composeFile struct {
	Services map[string]composeService `yaml:"services"`
	Volumes  map[string]any            `yaml:"volumes"`
}

type composeService struct {
	Image       string
	Build       struct{ Context, Dockerfile string }
	Command     []string
	Environment map[string]string
	Volumes     []string
	Ports       []string
	ReadOnly    bool     `yaml:"read_only"`
	CapDrop     []string `yaml:"cap_drop"`
	SecurityOpt []string `yaml:"security_opt"`
	StopGrace   string   `yaml:"stop_grace_period"`
	HealthCheck struct{ Test []string }
	DependsOn   map[string]struct{ Condition string } `yaml:"depends_on"`
}

func readCompose(t *testing.T) composeFile {
	t.Helper()
	var c composeFile
	if err := yaml.Unmarshal([]byte(read(t, "compose.yaml")), &c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestComposeRunsEveryExampleConnector(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	for name := range connectors {
		s, ok := c.Services[strings.TrimSuffix(name, ".json")]
		if !ok {
			t.Errorf("no service for %s", name)
			continue
		}
		if want := []string{"run", "/etc/tandem/" + name}; !slices.Equal(s.Command, want) {
			t.Errorf("%s: command %q, want %q", name, s.Command, want)
		}
		if !slices.Contains(s.Volumes, "./examples:/etc/tandem:ro") {
			t.Errorf("%s: its files are not mounted: %q", name, s.Volumes)
		}
		if !s.ReadOnly || !slices.Contains(s.CapDrop, "ALL") || !slices.Contains(s.SecurityOpt, "no-new-privileges:true") {
			t.Errorf("%s may do more than it needs", name)
		}
		if grace, err := time.ParseDuration(s.StopGrace); err != nil || grace <= 25*time.Second {
			t.Errorf("%s: %q to stop, and a connector may take 25 s", name, s.StopGrace)
		}
		for _, needs := range []string{"postgres", "kafka"} {
			if s.DependsOn[needs].Condition != "service_healthy" {
				t.Errorf("%s does not wait for %s", name, needs)
			}
		}
		mustExist(t, name, filepath.Join(s.Build.Context, s.Build.Dockerfile))
	}
	if _, token := c.Services["crm-sink"].Environment["NOTION_TOKEN"]; token {
		t.Error("crm-sink is given a Notion token, which it does not need")
	}
}

func TestComposeIsSound(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	for name, s := range c.Services {
		if s.Build.Context == "" && !regexp.MustCompile(`^[a-z/]+:[0-9]`).MatchString(s.Image) {
			t.Errorf("%s: image %q has no version", name, s.Image)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to the network", name, port)
			}
		}
		for _, v := range s.Volumes {
			source, _, _ := strings.Cut(v, ":")
			if strings.HasPrefix(source, ".") {
				mustExist(t, name, source)
			} else if _, ok := c.Volumes[source]; !ok {
				t.Errorf("%s: volume %s is not declared", name, source)
			}
		}
		for needed := range s.DependsOn {
			if len(c.Services[needed].HealthCheck.Test) == 0 {
				t.Errorf("%s waits for %s to be healthy, which has no health check", name, needed)
			}
		}
	}
	if !slices.Contains(c.Services["postgres"].Command, "wal_level=logical") {
		t.Error("PostgreSQL runs without wal_level=logical")
	}
}

// The broker of the compose file is the one that the tests run on.
func TestComposeRunsTheKafkaThatIsTested(t *testing.T) {
	t.Parallel()
	pom := read(t, "../connector/kafka/kafkatest/apache/pom.xml")
	version := regexp.MustCompile(`<kafka\.version>([^<]+)<`).FindStringSubmatch(pom)
	if got := readCompose(t).Services["kafka"].Image; version == nil || got != "apache/kafka:"+version[1] {
		t.Errorf("compose runs %s, the tests run %q", got, version)
	}
}

func TestDockerfile(t *testing.T) {
	t.Parallel()
	text := read(t, "Dockerfile")
	stages := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(text, -1)
	if len(stages) != 2 {
		t.Fatalf("%d stages, want 2: build and run", len(stages))
	}
	module := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindStringSubmatch(read(t, "../go.mod"))
	if want := "golang:" + module[1] + "-"; !strings.HasPrefix(stages[0][1], want) {
		t.Errorf("built with %s, and go.mod wants Go %s", stages[0][1], module[1])
	}
	if !regexp.MustCompile(`^gcr\.io/distroless/static-debian\d+:nonroot$`).MatchString(stages[1][1]) {
		t.Errorf("runs on %s", stages[1][1])
	}
	if !regexp.MustCompile(`(?m)^USER [1-9]\d*:[1-9]\d*$`).MatchString(text) {
		t.Error("does not run as a user other than root, given by number")
	}
	for _, built := range regexp.MustCompile(`go build .*?-o (\S+) (\./\S+)`).FindAllStringSubmatch(strings.ReplaceAll(text, "\\\n", ""), -1) {
		mustExist(t, "Dockerfile", filepath.Join("..", built[2]))
	}
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "ADD ") {
			t.Errorf("ADD fetches and unpacks: %s", line)
		}
	}
	ignored := read(t, "../.dockerignore")
	for _, secret := range []string{".git", ".env"} {
		if !strings.Contains(ignored, "\n"+secret+"\n") {
			t.Errorf("%s would go into the build's context", secret)
		}
	}
}
